"""Schemas of OpenAPI as plain JSON schemas that stand alone: references inlined, circles cut, and never very large."""

from __future__ import annotations

import json
from typing import Any

from tools_app.openapi.references import References

# A schema is handed to a model with each request: what is larger is cut at a lower depth.
MOST_PARTS = 500
DEPTHS = (10, 7, 5, 4, 3, 2, 1)
LONGEST_DESCRIPTION = 600
MOST_CHOICES = 200
# Written as JSON. A description has its own limit; what is left out of the rest changes little.
MOST_CHARACTERS = 60_000
LONGEST_VALUES = {"title": 300, "format": 100, "pattern": 2_000, "default": 2_000, "const": 2_000, "examples": 2_000}
LONGEST_CHOICES = 10_000

COPIED = frozenset(
    {
        *("type", "title", "format", "const", "default", "pattern", "deprecated", "required", "dependentRequired"),
        *("minimum", "maximum", "multipleOf", "minLength", "maxLength"),
        *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    }
)
ONE_INSIDE = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else")
SEVERAL_INSIDE = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED_INSIDE = ("properties", "patternProperties")


class _TooLarge(Exception):
    pass


def expanded(schema: Any, references: References) -> dict[str, Any]:
    """`schema` with everything that it refers to. Raises InvalidInput where a reference leads nowhere."""
    for depth in DEPTHS:
        try:
            return _Expansion(references, depth).of(schema, level=0, trail=())
        except _TooLarge:
            continue
    return {"description": "Anything: its schema is too large to be told here."}


class _Expansion:
    def __init__(self, references: References, depth: int) -> None:
        self.references, self.depth = references, depth
        self.parts = self.characters = 0

    def of(self, schema: Any, *, level: int, trail: tuple[str, ...]) -> dict[str, Any]:
        self.count(parts=1)
        if not isinstance(schema, dict):
            return {"not": {}} if schema is False else {}
        if isinstance(schema.get("$ref"), str):
            return self.referred(schema, level=level, trail=trail)
        if level >= self.depth and any(name in schema for name in (*SEVERAL_INSIDE, *NAMED_INSIDE, "items")):
            return cut(schema, "What it holds is too much to be told here.")
        return self.written(schema, level=level, trail=trail)

    def count(self, *, parts: int = 0, characters: int = 0) -> None:
        self.parts, self.characters = self.parts + parts, self.characters + characters
        if self.parts > MOST_PARTS or self.characters > MOST_CHARACTERS:
            raise _TooLarge

    def referred(self, schema: dict[str, Any], *, level: int, trail: tuple[str, ...]) -> dict[str, Any]:
        ref = schema["$ref"]
        if ref in trail:
            return {"description": f"Again a “{ref.rpartition('/')[2]}”, as above."}
        found = self.of(self.references.at(ref), level=level, trail=(*trail, ref))
        own = schema.get("description")
        return {**found, "description": own[:LONGEST_DESCRIPTION]} if isinstance(own, str) and own else found

    def written(self, schema: dict[str, Any], *, level: int, trail: tuple[str, ...]) -> dict[str, Any]:
        made = {name: schema[name] for name in COPIED & schema.keys() if is_short(name, schema[name])}
        describe(made, schema)
        self.count(characters=characters_of(made))
        deeper: dict[str, Any] = {"level": level + 1, "trail": trail}
        for name in ONE_INSIDE:
            if isinstance(schema.get(name), dict | bool):
                inner = schema[name]
                made[name] = inner if isinstance(inner, bool) else self.of(inner, **deeper)
        for name in SEVERAL_INSIDE:
            if isinstance(schema.get(name), list) and schema[name]:
                made[name] = [self.of(inner, **deeper) for inner in schema[name]]
        for name in NAMED_INSIDE:
            if isinstance(schema.get(name), dict):
                self.count(characters=sum(len(str(key)) for key in schema[name]))
                made[name] = {str(key): self.of(inner, **deeper) for key, inner in schema[name].items()}
        return in_one_draft(made, schema)


def is_short(name: str, value: Any) -> bool:
    return name not in LONGEST_VALUES or characters_of(value) <= LONGEST_VALUES[name]


def characters_of(value: Any) -> int:
    return len(json.dumps(value))


def describe(made: dict[str, Any], schema: dict[str, Any]) -> None:
    if isinstance(schema.get("description"), str):
        made["description"] = schema["description"][:LONGEST_DESCRIPTION]
    choices = schema.get("enum")
    if isinstance(choices, list) and 0 < len(choices) <= MOST_CHOICES and characters_of(choices) <= LONGEST_CHOICES:
        made["enum"] = choices
    example = schema.get("example")
    if isinstance(example, str | int | float) and "examples" not in made and is_short("examples", example):
        made["examples"] = [example]


def in_one_draft(made: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What Swagger 2 and OpenAPI 3.0 write in their own way, as today's JSON schema has it."""
    for name, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        bound = schema.get(name)
        if bound is True and limit in made:
            made[name] = made.pop(limit)
        elif isinstance(bound, int | float) and not isinstance(bound, bool):
            made[name] = bound
    if made.get("type") == "file":
        made["type"] = "string"
    if "required" in made:
        needed = made.pop("required")
        # Before OpenAPI 3.1 some write it at the property, as true.
        if isinstance(needed, list):
            made["required"] = list(dict.fromkeys(name for name in needed if isinstance(name, str)))
    without_read_only(made, schema)
    is_nullable = schema.get("nullable") is True or schema.get("x-nullable") is True
    if is_nullable and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if "enum" in made and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    return made


def without_read_only(made: dict[str, Any], schema: dict[str, Any]) -> None:
    """What only answers hold is nothing to send."""
    inside = schema.get("properties")
    if not isinstance(inside, dict):
        return
    hidden = {name for name, inner in inside.items() if isinstance(inner, dict) and inner.get("readOnly") is True}
    for name in hidden:
        made["properties"].pop(str(name), None)
    if hidden and "required" in made:
        made["required"] = [name for name in made["required"] if name not in hidden]


def cut(schema: dict[str, Any], why: str) -> dict[str, Any]:
    names = ("type", "title")
    kept: dict[str, Any] = {name: schema[name] for name in names if name in schema and is_short(name, schema[name])}
    said = schema.get("description")
    return {**kept, "description": f"{said[:LONGEST_DESCRIPTION]} {why}" if isinstance(said, str) and said else why}
