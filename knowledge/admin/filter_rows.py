"""Rows of a field, a comparison and a value that staff pick instead of writing JSON, and the filter that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy

from knowledge.filter_language import OWN_FIELDS
from knowledge.filter_types import KnownField
from knowledge.metadata_fields import FieldType, as_boolean, as_number

ROWS = 3
COMPARISONS = {
    "eq": gettext_lazy("is"),
    "ne": gettext_lazy("is not"),
    "in": gettext_lazy("is one of (with commas)"),
    "contains": gettext_lazy("contains"),
    "gte": gettext_lazy("is at least / from"),
    "lte": gettext_lazy("is at most / until"),
    "gt": gettext_lazy("is more than / after"),
    "lt": gettext_lazy("is less than / before"),
    "exists": gettext_lazy("is there"),
    "missing": gettext_lazy("is not there"),
}
NO_VALUE = ("exists", "missing")


@dataclass(frozen=True)
class Row:
    """One line of the form as it was sent."""

    field: str = ""
    comparison: str = "eq"
    value: str = ""

    @property
    def is_used(self) -> bool:
        return bool(self.field and (self.value or self.comparison in NO_VALUE))


def rows_of(sent: QueryDict) -> list[Row]:
    """The lines that were sent, and empty ones up to the usual number."""
    columns = [sent.getlist(name) for name in ("field", "comparison", "value")]
    rows = [
        Row(field.strip(), comparison if comparison in COMPARISONS else "eq", value.strip())
        for field, comparison, value in zip(*columns, strict=False)
    ]
    used = [row for row in rows if row.field or row.value][: 2 * ROWS]
    return used + [Row()] * max(ROWS - len(used), 1 if len(used) < 2 * ROWS else 0)


def filter_of(rows: list[Row], known: Mapping[str, KnownField]) -> dict[str, Any] | None:
    """All used rows together; None where there is none."""
    conditions = [{row.field: _comparison(row, known.get(row.field))} for row in rows if row.is_used]
    return {"and": conditions} if conditions else None


def field_names(known: Mapping[str, KnownField]) -> list[tuple[str, str]]:
    """What can be picked, each with what it is: metadata first, then what every document has."""
    own = [(name, str(gettext_lazy("text of every document"))) for name in OWN_FIELDS]
    return [(_written(name), _explained(field)) for name, field in known.items()] + own


def _written(name: str) -> str:
    return f"metadata.{name}" if name in OWN_FIELDS else name


def _explained(field: KnownField) -> str:
    examples = ", ".join(field.examples[:3])
    return f"{field.type}: {examples}" if examples else field.type


def _comparison(row: Row, field: KnownField | None) -> dict[str, Any]:
    if row.comparison in NO_VALUE:
        return {"exists": row.comparison == "exists"}
    types = field.types if field else ("text",)
    if row.comparison == "in":
        return {"in": [_value(part.strip(), types) for part in row.value.split(",") if part.strip()]}
    return {row.comparison: _value(row.value, types)}


def _value(text: str, types: tuple[FieldType, ...]) -> Any:
    """As the field has it; what cannot be read so stays a text, and the filter says what is wrong with it."""
    if "text" in types:
        return text
    for type_, read in (("number", as_number), ("boolean", as_boolean)):
        if type_ in types and (value := read(text)) is not None:
            return value
    return text
