"""A list of small values as rows of a table in a form: each row one pydantic model, each column one of its fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from pydantic import BaseModel, TypeAdapter
from pydantic import ValidationError as ShapeError

from magnet.shape_faults import sentence

MOST_ROWS = 500


@dataclass(frozen=True)
class Column:
    """A field of the row's model as people see it. `kind`: text, long, number, choice, or yes (a tick)."""

    name: str
    label: Any
    kind: Literal["text", "long", "number", "choice", "yes"] = "text"
    choices: Sequence[tuple[str, Any]] = ()
    hint: Any = ""
    # What can be typed into a text, each with what it is; anything else may be typed, too.
    suggestions: Sequence[tuple[str, Any]] = ()


class RowsWidget(forms.Widget):
    """Inputs named `<field>-<row>-<column>`. One empty row is always there: nobody needs a script."""

    template_name = "magnet/rows.html"

    def __init__(self, columns: Sequence[Column], *, add_label: Any) -> None:
        super().__init__()
        self.columns, self.add_label = columns, add_label

    class Media:
        js = (forms.Script("magnet/rows.js", type="module"),)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        rows = [*(value or []), {}]
        context["widget"] |= {
            "columns": self.columns,
            "add_label": self.add_label,
            "rows": [[(column, shown(row.get(column.name))) for column in self.columns] for row in rows],
        }
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[dict[str, Any]]:
        cells = re.compile(rf"{re.escape(name)}-(\d{{1,4}})-(\w+)")
        found: dict[int, dict[str, Any]] = {}
        known = {column.name: column for column in self.columns}
        for key in data:
            match = cells.fullmatch(key)
            if match is not None and match[2] in known and data[key] != "":
                column = known[match[2]]
                found.setdefault(int(match[1]), {})[column.name] = True if column.kind == "yes" else data[key]
        # A choice has always a value: a row with nothing else was left empty.
        chosen = {column.name for column in self.columns if column.kind == "choice"}
        return [row for _number, row in sorted(found.items()) if set(row) - chosen]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False


class RowsField(forms.Field):
    """Its value is the list as the pydantic model writes it, without what is default."""

    def __init__(
        self,
        shape: type[BaseModel],
        *,
        columns: Sequence[Column],
        add_label: Any,
        **options: Any,
    ) -> None:
        super().__init__(widget=RowsWidget(columns, add_label=add_label), required=False, **options)
        self.shape, self.columns = shape, columns

    def prepare_value(self, value: Any) -> Any:
        return [row.model_dump(mode="json") if isinstance(row, BaseModel) else row for row in value or []]

    def clean(self, value: Any) -> list[dict[str, Any]]:
        if len(value) > MOST_ROWS:
            raise ValidationError(_("At most %(n)d rows.") % {"n": MOST_ROWS})
        try:
            rows = TypeAdapter(list[self.shape]).validate_python(value)  # type: ignore[name-defined]
        except ShapeError as error:
            raise ValidationError([self._told(fault) for fault in error.errors(include_url=False)]) from error
        return [row.model_dump(mode="json", exclude_defaults=True) for row in rows]

    def _told(self, fault: Mapping[str, Any]) -> str:
        row, *path = fault["loc"]
        labels = {column.name: column.label for column in self.columns}
        column = labels.get(str(path[0]), path[0]) if path else ""
        return _("Row %(row)d, %(column)s: %(fault)s") % {
            "row": int(row) + 1,
            "column": column,
            "fault": sentence(fault),
        }

    def in_words(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """The rows for a reader: one line each, what is empty left out."""
        return "\n".join(self._row_in_words(row) for row in rows) or _("(empty)")

    def _row_in_words(self, row: Mapping[str, Any]) -> str:
        parts: list[str] = []
        for column in self.columns:
            value = row.get(column.name)
            if value in (None, "", False):
                continue
            labels = dict(column.choices)
            text = str(labels.get(value, value)) if column.kind == "choice" else shown(value)
            parts.append(str(column.label) if column.kind == "yes" else f"{column.label}: {text}" if parts else text)
        return " · ".join(parts)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(self.prepare_value(initial)) != self.clean(data))
        except ValidationError:
            return True


def choices_of(annotation: Any, labels: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The values of a Literal with what they are called."""
    values = get_args(annotation) if get_origin(annotation) is Literal else ()
    return [(value, labels.get(value, value)) for value in values]


def shown(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value or ""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
