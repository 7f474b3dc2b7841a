"""What pydantic finds wrong with a value, as plain sentences for the person who sent it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SLUG_PATTERN = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"


def sentence(fault: Mapping[str, Any]) -> str:
    """One of pydantic's faults in our words; in its own where it is a rare one."""
    limits = fault.get("ctx") or {}
    say = SENTENCES.get(fault.get("type", ""))
    if say is not None:
        return say if isinstance(say, str) else say(limits)
    said = str(fault.get("msg", "")).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return said if not said or said.endswith((".", "…", ")")) else f"{said}."


def _form(limits: Mapping[str, Any]) -> str:
    if limits.get("pattern") == SLUG_PATTERN:
        return "Use lower-case letters, digits and single hyphens."
    return f"This does not have the form {limits.get('pattern')}."


def _fewest(limits: Mapping[str, Any], *, of: str) -> str:
    fewest = limits.get("min_length", 1)
    return "This must not be empty." if fewest == 1 else f"Send at least {fewest:,} {_counted(limits, of)}."


def _most(limits: Mapping[str, Any], *, of: str) -> str:
    most = limits.get("max_length", 0)
    unit = _counted(limits, of)
    return f"Send at most {most:,} {unit if most != 1 else unit.removesuffix('s')}."


def _counted(limits: Mapping[str, Any], unit: str) -> str:
    """A text that was cleaned before it is measured is just a "Value" to pydantic; lists are named as such."""
    return "characters" if limits.get("field_type") == "Value" else unit


WHOLE_NUMBER, NUMBER, TRUE_OR_FALSE = "Send a whole number.", "Send a number.", "Send true or false."
ADDRESS = "Send a web address, such as https://help.example.com."
MOMENT, DAY = "Send a date and time, such as 2026-01-31T09:00:00Z.", "Send a date, such as 2026-01-31."
TEXT, LIST, OBJECT = "Send a text.", "Send a list.", "Send an object."
SENTENCES: Mapping[str, str | Callable[[Mapping[str, Any]], str]] = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field.",
    "string_pattern_mismatch": _form,
    "string_too_short": lambda limits: _fewest(limits, of="characters"),
    "string_too_long": lambda limits: _most(limits, of="characters"),
    "too_short": lambda limits: _fewest(limits, of="items"),
    "too_long": lambda limits: _most(limits, of="items"),
    "literal_error": lambda limits: f"Use {limits.get('expected')}.",
    "enum": lambda limits: f"Use {limits.get('expected')}.",
    "greater_than_equal": lambda limits: f"Use {limits.get('ge')} or more.",
    "greater_than": lambda limits: f"Use more than {limits.get('gt')}.",
    "less_than_equal": lambda limits: f"Use {limits.get('le')} or less.",
    "less_than": lambda limits: f"Use less than {limits.get('lt')}.",
    "int_parsing": WHOLE_NUMBER,
    "int_type": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "float_parsing": NUMBER,
    "float_type": NUMBER,
    "decimal_parsing": NUMBER,
    "decimal_type": NUMBER,
    "bool_parsing": TRUE_OR_FALSE,
    "bool_type": TRUE_OR_FALSE,
    "string_type": TEXT,
    "list_type": LIST,
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "set_type": LIST,
    "tuple_type": LIST,
    "int_parsing_size": "This number is too large.",
    "finite_number": NUMBER,
    "multiple_of": lambda limits: f"Use a multiple of {limits.get('multiple_of')}.",
    "decimal_max_digits": lambda limits: f"Use at most {limits.get('max_digits')} digits.",
    "decimal_max_places": lambda limits: f"Use at most {limits.get('decimal_places')} decimal places.",
    "decimal_whole_digits": lambda limits: f"Use at most {limits.get('whole_digits')} digits before the point.",
    "url_parsing": ADDRESS,
    "url_syntax_violation": ADDRESS,
    "url_type": ADDRESS,
    "url_scheme": lambda limits: f"Send an address that begins with {limits.get('expected_schemes')}.",
    "url_too_long": lambda limits: f"This address is too long; {limits.get('max_length')} characters are allowed.",
    "path_type": "Send the path of a file or folder.",
    "path_not_file": "There is no such file.",
    "path_not_directory": "There is no such folder.",
    "datetime_parsing": MOMENT,
    "datetime_from_date_parsing": MOMENT,
    "datetime_type": MOMENT,
    "date_parsing": DAY,
    "date_from_datetime_parsing": DAY,
    "date_type": DAY,
    "uuid_parsing": "Send a UUID, such as 0190163d-8694-739b-aea5-966c26f8ad91.",
    "json_invalid": "This is not valid JSON.",
    "json_type": "Send JSON.",
    "none_required": "Leave this empty.",
}
