"""The rows of a source's form that say which metadata filters see: the name at the source, the name here, the type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy
from pydantic import ValidationError as ShapeError

from knowledge import known_fields
from knowledge.metadata_fields import TYPES, mapping_of, place
from knowledge.models import KnowledgeSource
from magnet.shape_faults import sentence

MAPPING = "metadata_fields"
PARTS = ("from", "name", "type")
EMPTY_ROWS = 3
MOST_SUGGESTED = 50


class MappingWidget(forms.Widget):
    """Rows of three inputs, some of them empty; a row that is emptied is gone."""

    template_name = "knowledge/mapping_rows.html"

    def __init__(self, suggestions: known_fields.Sampled = ()) -> None:
        super().__init__()
        self.suggestions = suggestions[:MOST_SUGGESTED]

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        given = [row for row in value or [] if isinstance(row, Mapping)]
        rows = [{part: row.get(part, "") for part in PARTS} for row in given] + [{"type": TYPES[0]}] * EMPTY_ROWS
        return {**context, "rows": rows, "types": TYPES, "suggestions": self.suggestions}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, str]]:
        columns = [data.getlist(f"{name}-{part}") for part in PARTS]
        rows = [dict(zip(PARTS, map(str.strip, row), strict=True)) for row in zip(*columns, strict=False)]
        return [{**row, "name": row["name"] or row["from"]} for row in rows if row["from"] or row["name"]]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-type" not in data


class MappingField(forms.Field):
    def __init__(self, source: KnowledgeSource | None) -> None:
        suggestions = known_fields.suggested_for(source.pk) if source and source.pk else ()
        super().__init__(
            required=False,
            label=gettext_lazy("Metadata for filters"),
            widget=MappingWidget(suggestions),
            help_text=gettext_lazy("No row: filters may use all metadata, as the source gives it."),
        )

    def clean(self, value: Any) -> list[dict[str, str]]:
        try:
            return [field.as_json() for field in mapping_of(value or [])]
        except ShapeError as error:
            raise ValidationError([f"{place(fault['loc'])}: {sentence(fault)}" for fault in error.errors()]) from error
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != [{**row} for row in data or []]
