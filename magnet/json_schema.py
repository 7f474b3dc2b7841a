"""The one place that checks a value against a JSON schema: bounded, without the network, and in sentences.

The work is done by jsonschema-rs: all drafts, in Rust, with a limit on the steps of a pattern, so that no regular
expression runs for ever. What it has no limits for is measured here first: a value nested deeply enough ends the
process inside it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs

from magnet.errors import InvalidInput
from magnet.json_schema_cost import cost_of

DEEPEST_SCHEMA, LARGEST_SCHEMA = 60, 50_000
DEEPEST_VALUE, LARGEST_VALUE = 200, 1_000_000
# With each definition counted as often as it is referred to.
MOST_REFERRED = 100_000
# Ways through a schema that refers to itself: to find out whether a value fits, and to say what does not.
MOST_STEPS, MOST_TOLD_STEPS = 1_000_000, 5_000
MOST_FAULTS = 20
LONGEST_SENTENCE = 300
# Steps of one pattern on one text: some milliseconds.
MOST_BACKTRACKING = 100_000
MOST_REGEX_BYTES = 1_000_000
# Compiled schemas that a process keeps, the latest used.
MOST_COMPILED = 500


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What does not fit, one sentence each, at most MOST_FAULTS; empty where everything does.

    Raises InvalidInput where the schema itself cannot be used.
    """
    if is_beyond(value, depth=DEEPEST_VALUE, size=LARGEST_VALUE):
        return [f"The value is nested deeper than {DEEPEST_VALUE} levels or has more than {LARGEST_VALUE:,} parts."]
    compiled = _compiled(_written(schema))
    if is_beyond(value, depth=compiled.deepest_value, size=LARGEST_VALUE):
        return [
            f"The value is nested deeper than {compiled.deepest_value} levels, which its schema makes too much work, "
            "because it refers to itself in several ways."
        ]
    if is_beyond(value, depth=compiled.deepest_told, size=LARGEST_VALUE):
        return (
            [] if _fits(compiled.validator, value) else ["The value does not fit, and is nested too deep to say why."]
        )
    return [_sentence(error) for error, _ in zip(_errors(compiled.validator, value), range(MOST_FAULTS), strict=False)]


def check_schema(schema: Any) -> None:
    """Raises InvalidInput, in a sentence, for what is no JSON schema or larger than we compile."""
    if not isinstance(schema, dict):
        raise InvalidInput("A JSON schema is an object, such as {“type”: “object”, “properties”: {…}}.")
    _compiled(_written(schema))


def _written(schema: dict[str, Any]) -> str:
    if is_beyond(schema, depth=DEEPEST_SCHEMA, size=LARGEST_SCHEMA):
        raise InvalidInput(
            f"The JSON schema is nested deeper than {DEEPEST_SCHEMA} levels or has more than {LARGEST_SCHEMA:,} parts. "
            "Make it simpler."
        )
    try:
        return json.dumps(schema)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The JSON schema holds something that is not JSON: {error}.") from error


@dataclass(frozen=True)
class _Compiled:
    """A schema made ready, with the depths to which a value is told its faults, and to which it is checked at all."""

    validator: jsonschema_rs.Validator
    deepest_told: int
    deepest_value: int


@lru_cache(maxsize=MOST_COMPILED)
def _compiled(written: str) -> _Compiled:
    schema = json.loads(written)
    cost = cost_of(schema)
    if cost.parts is None or cost.parts > MOST_REFERRED:
        raise InvalidInput("The definitions of the JSON schema refer to each other too often. Make it simpler.")
    return _Compiled(
        _validator(schema),
        deepest_told=_deepest(MOST_TOLD_STEPS, growth=cost.growth),
        deepest_value=_deepest(MOST_STEPS, growth=cost.growth),
    )


def _deepest(steps: int, *, growth: int) -> int:
    """To how many levels a value can be followed in so many steps."""
    return DEEPEST_VALUE if growth < 2 else max(1, min(DEEPEST_VALUE, int(math.log(steps, growth))))


def _validator(schema: Any) -> jsonschema_rs.Validator:
    try:
        return jsonschema_rs.validator_for(
            schema,
            validate_formats=True,
            retriever=_refuse_to_fetch,
            pattern_options=jsonschema_rs.FancyRegexOptions(
                backtrack_limit=MOST_BACKTRACKING, size_limit=MOST_REGEX_BYTES
            ),
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        raise InvalidInput(f"This is not a JSON schema that can be used: {_reason(error)}") from error


def _refuse_to_fetch(uri: str) -> Any:
    raise ValueError(f"{uri} lies outside of the schema, and references are never fetched")


def _reason(error: Exception) -> str:
    if not isinstance(error, jsonschema_rs.ValidationError):
        return _cut(str(error))
    place = _place(error.instance_path)
    return _cut(f"{f'at {place}: ' if place else ''}{error.message}")


def _fits(validator: jsonschema_rs.Validator, value: Any) -> bool:
    try:
        return validator.is_valid(value)
    except ValueError as error:
        raise InvalidInput(f"The value holds something that is not JSON: {error}.") from error


def _errors(validator: jsonschema_rs.Validator, value: Any) -> Iterator[jsonschema_rs.ValidationError]:
    try:
        yield from validator.iter_errors(value)
    except ValueError as error:
        # Numbers and texts that are not JSON, such as an infinite one.
        raise InvalidInput(f"The value holds something that is not JSON: {error}.") from error


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    place, kind = _place(error.instance_path), error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return f"`{'.'.join(part for part in (place, str(kind.property)) if part)}` is missing."
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        where = f" in `{place}`" if place else ""
        return _cut(f"There is no {', '.join(f'`{name}`' for name in kind.unexpected)}{where}.")
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded):
        return f"`{place}` cannot be checked: its pattern takes too many steps."
    return _cut(f"`{place}`: {error.message}" if place else f"The value: {error.message}")


def _place(path: list[str | int]) -> str:
    return ".".join(str(part) for part in path)


def _cut(text: str) -> str:
    """One short sentence: messages quote the value, which may be a whole document."""
    text = " ".join(text.split())
    return f"{text[:LONGEST_SENTENCE]}…" if len(text) > LONGEST_SENTENCE else f"{text.rstrip('.')}."


def is_beyond(value: Any, *, depth: int, size: int) -> bool:
    """Whether `value` is too deep or too large, found out without recursion."""
    level: list[Any] = [value]
    counted = 0
    for _ in range(depth):
        counted += len(level)
        if counted > size:
            return True
        level = [part for item in level for part in _parts(item)]
        if not level:
            return False
    return True


def _parts(item: Any) -> Any:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list | tuple) else ()
