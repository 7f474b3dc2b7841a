"""How passages are found, as fields of a form: for every tool with sources, in the same groups and the same words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold import widgets

from knowledge.filter_types import KnownField
from knowledge.models import KnowledgeSource
from magnet.admin.rows_field import Column, RowsField
from magnet.models import AIModel
from tools_app.admin.filter_field import FilterField
from tools_app.admin.filter_words import filter_in_words
from tools_app.filter_checks import Fields, said_of_none
from tools_app.models.retrieval_settings import RetrievalSettings
from tools_app.retrieval_parts import MOST_FIELDS, SourceBoost

WHERE = (gettext_lazy("Where it looks"), ("sources",))
SEARCH = (gettext_lazy("Search"), ("search_mode", ("passage_count", "context_tokens", "minimum_score")))
CLOSED: tuple[tuple[Any, tuple[Any, ...]], ...] = (
    (gettext_lazy("Only some documents"), ("fixed_filter", "filter_fields")),
    (
        gettext_lazy("What counts more"),
        ("source_boosts", ("freshness_half_life_days", "freshness_field"), "most_per_document"),
    ),
    (
        gettext_lazy("A second look, and what stands around"),
        ("rerank_model", ("rerank_candidates", "rerank_top_n"), ("neighbour_count", "neighbour_tokens")),
    ),
    (gettext_lazy("The question"), (("rewrites_question", "translates_question"), "query_count")),
)
GROUPS = (WHERE, SEARCH, *CLOSED)
CLOSED_TITLES = tuple(title for title, _names in CLOSED)
# Without a model for reranking they would say something about nothing.
OF_RERANKING = ("rerank_candidates", "rerank_top_n")


class NoRerankModel(forms.Widget):
    """The next step instead of an empty choice."""

    template_name = "tools_app/no_rerank_model.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["widget"]["url"] = f"{reverse('admin:magnet_aimodel_add')}?purpose=rerank"
        return context


def column(name: str) -> Any:
    return RetrievalSettings._meta.get_field(name)


def words_of(name: str) -> dict[str, Any]:
    """What a field of this name is called, and what its column says to help."""
    return {"label": capfirst(str(column(name).verbose_name)), "help_text": column(name).help_text}


def has_rerank_model() -> bool:
    return AIModel.objects.filter(purpose=AIModel.Purpose.RERANK).exists()


# -- The fields that are no plain columns ----------------------------------------------------------------------------


def sources_field() -> forms.Field:
    return forms.ModelMultipleChoiceField(
        queryset=KnowledgeSource.objects.order_by("name"),
        label=gettext_lazy("Sources"),
        widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("Where it looks for passages."),
        error_messages={"required": gettext_lazy("Choose at least one source.")},
    )


def fixed_filter_field() -> forms.Field:
    return FilterField(**words_of("fixed_filter"))


def filter_fields_field() -> forms.Field:
    return forms.MultipleChoiceField(
        required=False, widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget, **words_of("filter_fields")
    )


def source_boosts_field() -> RowsField:
    return RowsField(
        SourceBoost,
        columns=(
            Column("source", gettext_lazy("Source"), "choice", source_choices()),
            Column("factor", gettext_lazy("Counts so many times as much"), "number"),
        ),
        add_label=gettext_lazy("Add a source"),
        label=words_of("source_boosts")["label"],
        help_text=gettext_lazy(
            "Scores of passages from this source are multiplied: 2 counts twice, 0.5 half. From 0.1 to 10."
        ),
    )


def source_choices() -> list[tuple[str, str]]:
    return list(KnowledgeSource.objects.order_by("name").values_list("slug", "name"))


def freshness_field_field() -> forms.Field:
    return forms.ChoiceField(
        required=False, widget=widgets.UnfoldAdminSelectWidget, **words_of("freshness_field"), choices=UNDATED
    )


FIELDS = {
    "sources": sources_field,
    "fixed_filter": fixed_filter_field,
    "filter_fields": filter_fields_field,
    "source_boosts": source_boosts_field,
    "freshness_field": freshness_field_field,
}
UNDATED = [("", gettext_lazy("When the document changed last"))]


def finished(name: str, field: forms.Field) -> forms.Field:
    """A plain column's field as it stands on these forms."""
    if name == "rerank_model":
        field.empty_label = gettext_lazy("No reranking")  # type: ignore[attr-defined]  # a choice of rows
    if name == "minimum_score":
        field.help_text = gettext_lazy(
            "0 keeps everything, 0.1 drops what has next to nothing in common with the question, 0.3 keeps what "
            "clearly belongs to it."
        )
        field.widget.attrs |= {"step": "any"}
    if name in ("rerank_model", *OF_RERANKING) and not has_rerank_model():
        field.disabled, field.required = True, False
        if name == "rerank_model":
            field.widget, field.help_text = NoRerankModel(), ""
    return field


# -- What the chosen sources carry -----------------------------------------------------------------------------------


def offer(form: forms.BaseForm, fields: Fields, *, stored: Any) -> None:
    """Let the form name the fields that the documents of its sources really carry, and those named before."""
    filter_field: Any = form.fields["fixed_filter"]
    filter_field.knows(fields, stored=stored.fixed_filter)
    chosen: Any = form.fields["filter_fields"]
    chosen.choices = field_choices(fields, chosen=stored.filter_fields)
    if said := said_of_none(fields):
        chosen.help_text = f"{chosen.help_text} {said}"
    dated: Any = form.fields["freshness_field"]
    dates = [field.name for field in fields.by_frequency if "date" in field.types]
    named = [stored.freshness_field] if stored.freshness_field else []
    dated.choices = [*UNDATED, *((name, name) for name in dict.fromkeys([*named, *dates]))]


def field_choices(fields: Fields, *, chosen: Iterable[str]) -> list[tuple[str, str]]:
    offered = {field.name: explained(field) for field in fields.by_frequency[:MOST_FIELDS]}
    gone = {name: _("%(name)s (in no document now)") % {"name": name} for name in chosen if name not in fields.known}
    more = {name: name for name in chosen if name in fields.known and name not in offered}
    return list({**offered, **more, **gone}.items())


def explained(field: KnownField) -> str:
    examples = ", ".join(field.examples[:3])
    return f"{field.name} ({field.type}: {examples})" if examples else f"{field.name} ({field.type})"


# -- Words -----------------------------------------------------------------------------------------------------------


def in_words(version: Any, name: str) -> str | None:
    """What a version says here, for a reader; None for what is shown like any column."""
    if name == "sources":
        return ", ".join(sorted(row.source.name for row in version.tool_sources.select_related("source")))
    if name == "fixed_filter":
        return filter_in_words(version.fixed_filter) or _("(empty)")
    if name == "filter_fields":
        return ", ".join(version.filter_fields) or _("(none)")
    if name == "source_boosts":
        return source_boosts_field().in_words(version.source_boosts)
    if name == "freshness_field":
        return version.freshness_field or str(UNDATED[0][1])
    if name == "rerank_model" and version.rerank_model is None:
        return _("No reranking")
    return None
