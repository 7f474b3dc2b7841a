"""Metadata of uploaded documents as rows of a name and a value, which staff type where other systems send JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel, ConfigDict

from knowledge.filter_types import A_TYPE
from knowledge.known_fields import suggested_for
from knowledge.metadata_fields import READ_AS, FieldType, mapping_of
from knowledge.models import KnowledgeSource
from magnet.admin.rows_field import Column, RowsField
from magnet.errors import InvalidInput

ROWS = "metadata"
# Everything can be read as these.
FIT_ALL: tuple[FieldType, ...] = ("text", "list")
Types = Mapping[str, Sequence[FieldType]]


class MetadataRow(BaseModel):
    """One value as people write it; a row without a value says nothing."""

    model_config = ConfigDict(extra="forbid")

    name: str
    value: str = ""


class MetadataForm(forms.Form):
    """One table; the types of the source's fields suggest its names."""

    def __init__(self, *args: Any, types: Types, **options: Any) -> None:
        super().__init__(*args, **options)
        suggestions = [(name, " / ".join(A_TYPE[each] for each in types[name])) for name in sorted(types)]
        self.fields[ROWS] = RowsField(
            MetadataRow,
            columns=(
                Column("name", gettext_lazy("Name"), suggestions=suggestions),
                Column("value", gettext_lazy("Value")),
            ),
            add_label=gettext_lazy("Add a field"),
        )


def form_for(source: KnowledgeSource, *, stored: Mapping[str, Any] | None = None) -> MetadataForm:
    """The table, with what is stored."""
    rows = [{"name": name, "value": in_a_line(value)} for name, value in (stored or {}).items()]
    return MetadataForm(initial={ROWS: rows}, types=types_in(source))


def metadata_in(sent: QueryDict, source: KnowledgeSource, *, stored: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The metadata that was typed; what reads as it was shown stays as it is stored. Raises InvalidInput."""
    types = types_in(source)
    form = MetadataForm(sent, types=types)
    if not form.is_valid():
        raise InvalidInput(" ".join(map(str, form.errors[ROWS])))
    return _metadata_of((MetadataRow(**row) for row in form.cleaned_data[ROWS]), types=types, stored=stored or {})


def types_in(source: KnowledgeSource) -> dict[str, Sequence[FieldType]]:
    """The types of the fields that documents of this source have: those that are mapped, else those they carry."""
    carried = {field.name: field.types for field in suggested_for(source.pk)}
    index = source.live_index
    mapped = {field.key: (field.type,) for field in mapping_of(index.metadata_fields if index else ())}
    return {**carried, **mapped}


def typed_value(text: str, types: Sequence[FieldType]) -> Any:
    """The value in the first of the types that it fits, those first that fit little; a text where it fits none."""
    values = (READ_AS[each](text) for each in sorted(types, key=FIT_ALL.__contains__))
    return next((value for value in values if value is not None), text)


def in_a_line(value: Any) -> str:
    """A value as it is typed: a field of a form holds one line."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return ", ".join(map(in_a_line, value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else " ".join(str(value).splitlines()).strip()


def _metadata_of(rows: Iterable[MetadataRow], *, types: Types, stored: Mapping[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for row in rows:
        name = row.name if row.name in stored else row.name.strip()
        text = row.value.strip()
        if name in metadata:
            raise InvalidInput(_("The field “%(name)s” stands there twice. Keep one of them.") % {"name": name[:200]})
        if name in stored and in_a_line(stored[name]) == text:
            metadata[name] = stored[name]
        elif name and text:
            metadata[name] = typed_value(text, types.get(name, ("text",)))
    return metadata
