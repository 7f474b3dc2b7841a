"""Flat JSON schemas as rows that people can edit: one row for each field of an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

FieldType = Literal["string", "number", "integer", "boolean", "list"]


class AnswerField(BaseModel):
    """One field of the answer. `choices` are the only texts allowed, separated by commas."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    type: FieldType = "string"
    description: Annotated[str, Field(max_length=500)] = ""
    choices: Annotated[str, Field(max_length=2_000)] = ""
    is_optional: bool = False


def schema_of(fields: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The schema of an object with just these fields; None for none."""
    rows = [AnswerField.model_validate(row) for row in fields]
    if not rows:
        return None
    required = [row.name for row in rows if not row.is_optional]
    properties = {row.name: _property(row) for row in rows}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def fields_of(schema: Any) -> list[dict[str, Any]] | None:
    """The rows that make this schema; None where it says more than rows can."""
    if not schema:
        return []
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return None
    required = schema.get("required", [])
    rows = [_row(name, shape, is_optional=name not in required) for name, shape in schema["properties"].items()]
    if not all(rows):
        return None
    known = [row for row in rows if row]
    return known if schema_of(known) == schema else None


def _property(row: AnswerField) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": row.type}
    choices = [choice.strip() for choice in row.choices.split(",") if choice.strip()]
    texts: dict[str, Any] = {"type": "string", "enum": choices} if choices else {"type": "string"}
    if row.type == "list":
        shape = {"type": "array", "items": texts}
    elif row.type == "string":
        shape = texts
    return {**shape, "description": row.description} if row.description else shape


def _row(name: str, shape: Any, *, is_optional: bool) -> dict[str, Any] | None:
    if not isinstance(shape, dict):
        return None
    texts = shape.get("items") if shape.get("type") == "array" else shape
    kind = "list" if shape.get("type") == "array" else shape.get("type")
    if kind not in ("string", "number", "integer", "boolean", "list") or not isinstance(texts, dict):
        return None
    row = {
        "name": name,
        "type": kind,
        "description": str(shape.get("description", "")),
        "choices": ", ".join(map(str, texts.get("enum", []))),
        "is_optional": is_optional,
    }
    return row
