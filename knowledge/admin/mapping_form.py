"""The rows of a source's form that say which metadata filters see: the name at the source, the name here, the type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from knowledge import known_fields
from knowledge.filter_types import KnownField
from knowledge.metadata_fields import TYPES, MetadataField, mapping_of
from knowledge.models import KnowledgeSource
from magnet.admin.rows_field import Column, RowsField, RowsWidget

MAPPING = "metadata_fields"
MOST_SUGGESTED = 50
COLUMNS = (
    Column("from", gettext_lazy("Name at the source")),
    Column("name", gettext_lazy("Name in filters"), hint=gettext_lazy("Empty: the same")),
    Column("type", gettext_lazy("Type"), kind="choice", choices=[(name, name) for name in TYPES]),
)


class MappingWidget(RowsWidget):
    """The rows, and below them what the documents carry, to choose from."""

    template_name = "knowledge/mapping_rows.html"

    def __init__(self, suggestions: Sequence[KnownField]) -> None:
        super().__init__(COLUMNS, add_label=gettext_lazy("Add a field"))
        self.suggestions = suggestions[:MOST_SUGGESTED]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return {**super().get_context(name, value, attrs), "suggestions": self.suggestions}


class MappingField(RowsField):
    """Its value is the mapping as it is stored."""

    def __init__(self, source: KnowledgeSource | None) -> None:
        super().__init__(
            MetadataField,
            columns=COLUMNS,
            add_label=gettext_lazy("Add a field"),
            label=gettext_lazy("Metadata for filters"),
            help_text=gettext_lazy("No row: filters may use all metadata, as the source gives it."),
        )
        self.widget = MappingWidget(known_fields.suggested_for(source.pk) if source and source.pk else ())

    def clean(self, value: Any) -> list[dict[str, Any]]:
        rows = [_named(row) for row in value]
        super().clean(rows)
        try:
            return [{**field.as_json()} for field in mapping_of(rows)]
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def in_words(self, rows: Sequence[Mapping[str, Any]]) -> str:
        return super().in_words(rows) if rows else str(gettext_lazy("all, as the source gives it"))


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with one name only has it on both sides."""
    return {**row, "name": row.get("name") or row.get("from") or ""}
