"""The arguments of an API tool as a table: one line each, with what the model is told and where the value goes.

What a table cannot show of a schema (limits, choices, what an object holds) stays as it was imported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tools_app.models.api_tools import PLACES

TYPES = ("string", "integer", "number", "boolean", "array", "object")
EMPTY_ROWS = 3
NAME = re.compile(r"^[A-Za-z0-9_.-]{1,64}$")
COLUMNS = ("was", "name", "type", "description", "place", "sent_as")
PLACE_WORDS = {
    "path": gettext_lazy("in the path"),
    "query": gettext_lazy("after the question mark"),
    "header": gettext_lazy("a header"),
    "cookie": gettext_lazy("a cookie"),
    "field": gettext_lazy("a field of the body"),
    "body": gettext_lazy("the whole body"),
}


@dataclass(frozen=True)
class Row:
    """One line of the table; `was` is the argument's name before it was edited."""

    was: str = ""
    name: str = ""
    type: str = ""
    description: str = ""
    place: str = "query"
    sent_as: str = ""
    is_required: bool = False


@dataclass(frozen=True)
class Table:
    """The two columns of a tool that the table stands for."""

    schema: dict[str, Any]
    places: dict[str, dict[str, Any]]


def rows_of(table: Table) -> list[Row]:
    needed = table.schema.get("required", [])
    return [
        Row(
            was=name,
            name=name,
            type=type_of(inner),
            description=plain(str(inner.get("description", ""))) if isinstance(inner, dict) else "",
            place=str(table.places.get(name, {}).get("in", "query")),
            sent_as=str(table.places.get(name, {}).get("name", name)),
            is_required=name in needed,
        )
        for name, inner in table.schema.get("properties", {}).items()
    ]


def plain(text: str) -> str:
    """As a browser sends it back, but for its ends of lines."""
    return text.replace("\r\n", "\n").strip()


def type_of(schema: Any) -> str:
    """Empty where a table cannot say it: several types, or any."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    return kind if kind in TYPES else ""


class ArgumentsWidget(forms.Widget):
    template_name = "tools_app/arguments_table.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        rows = rows_of(value) if isinstance(value, Table) else list(value or [])
        context |= {
            "rows": [*rows, *[Row() for _number in range(EMPTY_ROWS)]],
            "types": TYPES,
            "places": [(place, PLACE_WORDS[place]) for place in PLACES],
        }
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        columns = [data.getlist(f"{name}-{column}") if hasattr(data, "getlist") else [] for column in COLUMNS]
        needed = set(data.getlist(f"{name}-required")) if hasattr(data, "getlist") else set()
        return [
            Row(**dict(zip(COLUMNS, map(plain, texts), strict=True)), is_required=str(number) in needed)
            for number, texts in enumerate(zip(*columns, strict=False))
            if texts[1].strip()
        ]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-name" not in data


class ArgumentsField(forms.Field):
    """Cleaned, it is a Table made from `before`, the one that is stored."""

    widget = ArgumentsWidget

    def __init__(self, *, before: Table, **options: Any) -> None:
        self.before = before
        super().__init__(required=False, initial=before, **options)

    def clean(self, value: list[Row]) -> Table:
        names = [row.name for row in value]
        for row in value:
            if not NAME.match(row.name):
                raise forms.ValidationError(_("“%s”: write a name of letters, digits, dots and hyphens.") % row.name)
            if names.count(row.name) > 1:
                raise forms.ValidationError(_("Two arguments are called “%s”.") % row.name)
            if row.place not in PLACES or row.type not in ("", *TYPES):
                raise forms.ValidationError(_("“%s”: choose a type and a place from the lists.") % row.name)
        return table_from(value, before=self.before)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return rows_of(self.before) != data


def table_from(rows: list[Row], *, before: Table) -> Table:
    """Only what the table shows is set; everything else of a schema stays."""
    stored = before.schema.get("properties", {})
    schema = {
        **{"type": "object", "additionalProperties": False},
        **before.schema,
        "properties": {row.name: property_from(row, stored.get(row.was)) for row in rows},
        "required": required_of(rows, before=before.schema.get("required", [])),
    }
    places = {row.name: place_from(row, before.places.get(row.was, {})) for row in rows}
    return Table(schema, places)


def required_of(rows: list[Row], *, before: list[str]) -> list[str]:
    """In the order in which they stood, so that saving a form as it is changes nothing."""
    needed = [row.name for row in rows if row.is_required]
    return sorted(needed, key=lambda name: before.index(name) if name in before else len(before))


def property_from(row: Row, stored: Any) -> dict[str, Any]:
    made = dict(stored) if isinstance(stored, dict) else {}
    if row.type and row.type != made.get("type"):
        made = {"type": row.type}
    elif not row.type and type_of(made):
        made.pop("type")
    if row.description == plain(str(made.get("description", ""))):
        return made
    made.pop("description", None)
    return {**made, **({"description": row.description} if row.description else {})}


def place_from(row: Row, stored: dict[str, Any]) -> dict[str, Any]:
    kept = stored if stored.get("in") == row.place else {}
    return {**kept, "in": row.place, "name": row.sent_as or row.name}
