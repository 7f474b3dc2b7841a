"""What a prompt template is made of: text with variables in braces, the variables' declarations, and examples.

Filling is one pass: what is filled in is never looked through for further variables.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from magnet.errors import InvalidInput

# `{{` and `}}` are braces, `{name}` is a variable; any other brace, as in JSON, stands for itself.
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
MAX_VARIABLES, MAX_EXAMPLES = 50, 20
MAX_VALUE_CHARACTERS = 1_000_000
# What the large providers take at most for one image.
MAX_IMAGE_BYTES = 5 * 1024 * 1024
# Only data URLs: an address would be fetched by somebody else's machine, in the name of this one.
IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,([A-Za-z0-9+/=\s]+)")

VariableType = Literal["text", "number", "boolean", "list", "image"]
Value = str | int | float | bool | list[str]


class Variable(BaseModel):
    """One declared variable. Without a default it has to be given, unless it is optional: then it is empty."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=50)]
    type: VariableType = "text"
    description: Annotated[str, Field(max_length=500)] = ""
    is_optional: bool = False
    default: Value | None = None
    example: Value | None = None

    @property
    def is_needed(self) -> bool:
        return self.default is None and not self.is_optional


class Example(BaseModel):
    """What somebody might ask, and the answer that the model should take as its pattern."""

    model_config = ConfigDict(extra="forbid")

    input: Annotated[str, Field(min_length=1, max_length=20_000)]
    output: Annotated[str, Field(min_length=1, max_length=20_000)]


def _each_named_once(variables: list[Variable]) -> list[Variable]:
    names = [variable.name for variable in variables]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"The variable {twice} is declared twice.")
    for variable in variables:
        for value in (variable.default, variable.example):
            if value not in (None, ""):
                _typed(variable, value)
    return variables


Variables = Annotated[list[Variable], Field(max_length=MAX_VARIABLES), AfterValidator(_each_named_once)]
Examples = Annotated[list[Example], Field(max_length=MAX_EXAMPLES)]


@dataclass(frozen=True)
class DefaultPrompt:
    """The text with which a template starts in every installation."""

    slug: str
    name: str
    description: str
    instructions: str
    prompt: str
    category: str
    temperature: float | None = None
    variables: tuple[dict[str, Any], ...] = ()
    response_schema: dict[str, Any] | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "instructions": self.instructions,
            "prompt": self.prompt,
            "temperature": self.temperature,
            "variables": list(self.variables),
            "response_format": "schema" if self.response_schema else "text",
            "response_schema": self.response_schema,
        }


# -- Text with variables -------------------------------------------------------------------------------------------


def variables_of(template_text: str) -> frozenset[str]:
    return frozenset(match[1] for match in PLACEHOLDER.finditer(template_text) if match[1])


def render(template_text: str, **variables: str) -> str:
    """Fill in the variables. Raises InvalidInput naming each variable that the template has and nobody gave."""
    unknown = sorted(variables_of(template_text) - set(variables))
    if unknown:
        raise InvalidInput(
            f"The prompt template has {named(unknown)}, which nobody fills in. "
            f"Use {named(sorted(variables))}, or write two braces for one brace.",
            unknown=unknown,
            allowed=sorted(variables),
        )

    def filled(match: re.Match[str]) -> str:
        return variables[match[1]] if match[1] else match[0][0]

    return PLACEHOLDER.sub(filled, template_text)


def named(variables: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in variables) or "no variables"


# -- Values ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Values:
    """The values of one call as the template takes them: texts by name, and the images in their order."""

    texts: dict[str, str]
    images: tuple[str, ...] = ()


def values_for(variables: Iterable[Variable], given: Mapping[str, Any]) -> Values:
    """What was given, with defaults, by the declared types.

    Raises InvalidInput with `errors` by name: what is missing, what does not fit, what nobody asked for.
    """
    declared = {variable.name: variable for variable in variables}
    faults = {name: ["The template has no such variable."] for name in given if name not in declared}
    texts: dict[str, str] = {}
    images: list[str] = []
    for name, variable in declared.items():
        value = given.get(name)
        value = variable.default if value is None else value
        try:
            typed = _typed(variable, value)
        except ValueError as error:
            faults[name] = [str(error)]
            continue
        if variable.type == "image" and typed:
            images.append(typed)
            typed = f"(image {len(images)})"
        texts[name] = typed
    if faults:
        missing = sorted(name for name in faults if name in declared and given.get(name) is None)
        what = f"The template needs {named(missing)}" if missing else "Some variables do not fit"
        said = InvalidInput.in_fields(faults, what=what)
        said.extra.update(missing=missing, allowed=sorted(declared))
        raise said
    return Values(texts, tuple(images))


def _typed(variable: Variable, value: Any) -> str:
    """The value as the prompt shows it. Raises ValueError in words."""
    if variable.is_optional and value in (None, ""):
        return ""
    if value is None:
        raise ValueError("This is missing.")
    text = _AS_TEXT[variable.type](value)
    if len(text) > MAX_VALUE_CHARACTERS and variable.type != "image":
        raise ValueError(f"This has {len(text):,} characters; {MAX_VALUE_CHARACTERS:,} are allowed.")
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Send a text.")
    return value.replace("\0", " ")


def _number(value: Any) -> str:
    if isinstance(value, bool):
        raise ValueError("Send a number.")
    if isinstance(value, int):
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError("Send a number.") from error
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("Send a number.")
    return value.strip() if isinstance(value, str) else repr(number)


def _boolean(value: Any) -> str:
    said = value.strip().lower() if isinstance(value, str) else value
    if said in (True, "true", "yes"):
        return "true"
    if said in (False, "false", "no"):
        return "false"
    raise ValueError("Send true or false.")


def _list(value: Any) -> str:
    items = value.splitlines() if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str | int | float) for item in items):
        raise ValueError("Send a list of texts.")
    return "\n".join(f"- {text}" for item in items if (text := str(item).strip()))


def proven_images(values: Iterable[str]) -> tuple[str, ...]:
    """Images as data URLs. Raises InvalidInput for what is none."""
    try:
        return tuple(_image(value) for value in values)
    except ValueError as error:
        raise InvalidInput(str(error), errors={"attachments": [str(error)]}) from error


def _image(value: Any) -> str:
    match = IMAGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("Send an image as a data URL: data:image/png;base64,… (PNG, JPEG, GIF or WebP).")
    if len(match[1]) * 3 // 4 > MAX_IMAGE_BYTES:
        raise ValueError(f"The image is larger than {MAX_IMAGE_BYTES // 1024 // 1024} MB.")
    try:
        base64.b64decode(match[1], validate=False)
    except binascii.Error as error:
        raise ValueError("The image is not valid base64.") from error
    return str(value)


_AS_TEXT = {"text": _text, "number": _number, "boolean": _boolean, "list": _list, "image": _image}
