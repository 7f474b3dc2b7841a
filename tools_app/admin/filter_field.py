"""The fixed filter on a form: rows of field, comparison and value; one that says more is shown in words and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from knowledge.admin.filter_rows import COMPARISONS, field_names
from knowledge.filter_language import OWN_FIELDS, Comparison, parse
from magnet.admin.rows_field import Column, RowsField, RowsWidget
from magnet.errors import InvalidInput
from tools_app.admin.filter_words import filter_in_words
from tools_app.filter_checks import Fields
from tools_app.retrieval_parts import MOST_FILTER_ROWS, ComparisonName, FilterRow, filter_of, flat, rows_of

NOTHING_KNOWN = Fields({}, (), ())
MISSING = "missing"


class FilterLine(FilterRow):
    """A row as the form has it: that a field is not there is a comparison of its own, without a value."""

    comparison: ComparisonName | Literal["missing"] = "eq"  # type: ignore[assignment]  # one choice more

    def as_row(self) -> FilterRow:
        if self.comparison == MISSING:
            return FilterRow(field=self.field, comparison="exists", value="no")
        value = "" if self.comparison == "exists" else self.value
        return FilterRow(field=self.field, comparison=self.comparison, value=value)


class FilterWidget(RowsWidget):
    """The rows, below what rows cannot say: that is kept until a row replaces it, or somebody takes it away."""

    template_name = "tools_app/filter_rows.html"
    in_words = ""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["in_words"] = self.in_words
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        rows = super().value_from_datadict(data, files, name)
        return None if not rows and self.in_words and f"{name}-remove" not in data else rows


class FilterField(RowsField):
    """Its value is a filter. `knows` says what the sources of the form carry, which gives values their types."""

    def __init__(self, **options: Any) -> None:
        super().__init__(FilterLine, columns=columns(()), add_label=gettext_lazy("Add a condition"), **options)
        self.widget = FilterWidget(self.columns, add_label=gettext_lazy("Add a condition"))
        self.fields = NOTHING_KNOWN
        self.stored: dict[str, Any] = {}

    def knows(self, fields: Fields, *, stored: dict[str, Any]) -> None:
        self.fields, self.stored = fields, stored
        self.widget.columns = self.columns = columns(field_names({each.name: each for each in fields.by_frequency}))
        if rows_of(stored) is None:
            self.widget.in_words = filter_in_words(stored)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value or []
        return [_line(row) for row in rows_of(value) or []]

    def clean(self, value: Any) -> Any:
        if value is None:
            return self.stored
        lines = [FilterLine.model_validate(row) for row in super().clean(value)]
        if len(lines) > MOST_FILTER_ROWS:
            raise ValidationError(_("At most %(n)d rows.") % {"n": MOST_FILTER_ROWS})
        try:
            return self._filter(lines)
        except InvalidInput as error:
            raise ValidationError(error.detail) from error

    def _filter(self, lines: list[FilterLine]) -> dict[str, Any]:
        """Rows that nobody touched stay the filter that they were, unless their values have other types by now."""
        made = filter_of([line.as_row() for line in lines], self.fields.known)
        rows = rows_of(self.stored)
        if rows is None or [FilterLine.model_validate(_line(row)) for row in rows] != lines:
            return made
        is_unknown = {line.field.removeprefix("metadata.") for line in lines} - {*self.fields.known, *OWN_FIELDS}
        return self.stored if is_unknown or says_the_same(made, self.stored) else made

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != (self.stored or {}))
        except ValidationError:
            return True

    def in_words(self, rows: Any) -> str:
        return filter_in_words(self.stored) or _("(empty)")


def columns(known: Sequence[tuple[str, Any]]) -> tuple[Column, ...]:
    return (
        Column("field", gettext_lazy("Field"), suggestions=known),
        Column("comparison", gettext_lazy("Comparison"), "choice", tuple(COMPARISONS.items())),
        Column("value", gettext_lazy("Value")),
    )


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["comparison"] != "exists":
        return dict(row)
    return {"field": row["field"], "comparison": "exists" if row["value"] == "true" else MISSING, "value": ""}


def says_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _comparisons(one) == _comparisons(other)


def _comparisons(given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """With the type of each value: to Python, 1 and True are the same."""
    return [
        (node.field, node.is_metadata, node.operator, [(type(value), value) for value in node.values])
        for node in (flat(parse(given)) if given else [])
        if isinstance(node, Comparison)
    ]
