"""The form of a thing for people who may only look: each setting in words, under its own label, and no script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import Model
from django.forms.utils import pretty_name
from django.utils.translation import gettext as _

from magnet.admin.config_forms import SecretField
from magnet.admin.differences import setting_in_words
from magnet.admin.rows_field import RowsField

# What `conditional_fields` says: schedule == 'cron'.
CONDITION = re.compile(r"(\w+) == '([^']*)'")

NOTHING = "–"


@dataclass(frozen=True)
class Page:
    """A form that nobody fills in, and which of its fields stand on the page only while another has a value."""

    form: forms.ModelForm[Any]
    conditions: Mapping[str, str]

    def shows(self, name: str) -> bool:
        if name in self.form.fields and self.form.fields[name].widget.is_hidden:
            return False
        condition = CONDITION.fullmatch(self.conditions.get(name, ""))
        return condition is None or str(self.value_of(condition[1])) == condition[2]

    def value_of(self, name: str) -> Any:
        """Of a column what is stored: the form of who may only look leaves columns out."""
        row = self.form.instance
        columns = {column.name for column in row._meta.concrete_fields}
        field = self.form.fields.get(name)
        if field is None or (name in columns and name not in self.form.initial):
            return getattr(row, name, None)
        return self.form.get_initial_for_field(field, name)

    def column(self, name: str) -> Any:
        """What the admin shows under `name`: a column as it is, a field of the form as words with its label."""
        field = self.form.fields.get(name)
        if field is None and name not in self.conditions:
            return name
        if field is None:
            label = self.form.instance._meta.get_field(name).verbose_name  # type: ignore[union-attr]  # a column
            return shown(name, label=label, words=setting_in_words(self.form.instance, name))
        return shown(name, label=field.label, words=in_words(field, self.value_of(name)))


def put_in_words(adminform: Any, *, conditions: Mapping[str, str]) -> None:
    """Replace what only a form knows; the admin itself shows columns, and of everything else nothing."""
    page = Page(adminform.form, conditions)
    kept: Any = []
    for title, options in adminform.fieldsets:
        columns = _columns(page, options["fields"])
        if columns or options.get("description"):
            kept.append((title, {**options, "fields": columns}))
    adminform.fieldsets = kept
    adminform.readonly_fields = flatten_fieldsets(kept)


def _columns(page: Page, names: Iterable[Any]) -> list[Any]:
    columns: list[Any] = []
    for name in names:
        if isinstance(name, list | tuple):
            columns += [beside] if (beside := _columns(page, name)) else []
        elif callable(name) or page.shows(name):
            columns.append(name if callable(name) else page.column(name))
    return columns


def shown(name: str, *, label: Any, words: str) -> Callable[[Model], str]:
    """As a column that the admin computes."""

    def column(obj: Model) -> str:
        return words

    # Its own name would find the condition again, which the page's script cannot judge without the form.
    column.__name__ = f"{name}_in_words"
    column.short_description = label or pretty_name(name)  # type: ignore[attr-defined]  # what the admin reads
    return column


def in_words(field: forms.Field, value: Any) -> str:
    if isinstance(field, SecretField):
        return _("set") if field.is_set else _("not set")
    if isinstance(field, RowsField):
        return field.in_words(field.prepare_value(value))
    if isinstance(field, forms.BooleanField):
        return _("yes") if value else _("no")
    if isinstance(field, forms.ModelChoiceField):
        return _chosen_rows(field, value)
    if isinstance(field, forms.ChoiceField):
        return _chosen_labels(field, value)
    if isinstance(value, list | tuple | set):
        return "\n".join(map(str, value)) or NOTHING
    return NOTHING if value in (None, "") else str(value)


def _chosen_rows(field: forms.ModelChoiceField[Any], value: Any) -> str:
    keys = value if isinstance(value, list | tuple) else [value]
    keys = [getattr(key, "pk", key) for key in keys if key not in (None, "")]
    rows = field.queryset.model._default_manager.filter(pk__in=keys) if field.queryset is not None else []
    return ", ".join(sorted(str(row) for row in rows)) or str(field.empty_label or NOTHING)


def _chosen_labels(field: forms.ChoiceField, value: Any) -> str:
    labels = {str(key): label for key, label in _flat(field.choices)}
    chosen = value if isinstance(value, list | tuple | set) else [value]
    said = [labels.get(str(key), str(key)) for key in chosen if key not in (None, "")]
    if len(said) == 1:
        # A label may be safe HTML, and stays so.
        return said[0]
    return ", ".join(map(str, said)) or NOTHING


def _flat(choices: Any) -> Iterable[tuple[Any, Any]]:
    for key, label in choices:
        if isinstance(label, list | tuple):
            yield from label
        else:
            yield key, label
