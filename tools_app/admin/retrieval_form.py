"""The form and the admin that every tool with sources builds on: its search settings, checked against the sources."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from knowledge.models import KnowledgeSource
from magnet.admin.version_form import VersionedForm
from magnet.admin.versions import VersionedAdmin
from magnet.errors import InvalidInput
from tools_app import filter_checks
from tools_app.admin import retrieval_fields
from tools_app.filter_checks import Fields


class RetrievalForm(VersionedForm):
    # Said when it is saved: what nobody can know yet.
    hint = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = self.shown_version()
        if version is not None and "fixed_filter" in self.fields:
            retrieval_fields.offer(self, self.known, stored=version)

    def settings_of(self, version: Any) -> dict[str, Any]:
        sources = [row.source_id for row in version.tool_sources.all()]
        return {**super().settings_of(version), "sources": sources}

    @cached_property
    def known(self) -> Fields:
        """What documents of the sources carry: of those that are sent, else of those that are stored."""
        chosen = self.initial.get("sources", [])
        if self.is_bound:
            sent = self["sources"].data
            chosen = [key for key in sent if key.isdecimal() and len(key) < 19]
        return filter_checks.fields_of(KnowledgeSource.objects.filter(pk__in=chosen))

    def clean_sources(self) -> list[KnowledgeSource]:
        return list(self.cleaned_data["sources"])

    def clean_fixed_filter(self) -> dict[str, Any]:
        given: dict[str, Any] = self.cleaned_data["fixed_filter"]
        try:
            self.hint = filter_checks.prove(given, self.known) if given else ""
        except InvalidInput as error:
            raise ValidationError(error.detail) from error
        return given


class RetrievalAdmin(VersionedAdmin):
    """A subclass adds its own groups to those of the search, and names the rows that say what a version reads from."""

    form = RetrievalForm
    asked_first = ("sources",)
    setting_groups = retrieval_fields.GROUPS
    closed_groups = retrieval_fields.CLOSED_TITLES
    # The model of the rows between versions and sources.
    source_rows: Any = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        used = self.source_rows.objects.select_related("source").order_by("source__name")
        return super().get_queryset(request).prefetch_related(Prefetch("live__tool_sources", queryset=used))

    @display(description=gettext_lazy("reads from"))
    def reads_from(self, tool: Any) -> str:
        return ", ".join(row.source.name for row in tool.live.tool_sources.all()) if tool.live else "–"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        groups = super().get_fieldsets(request, obj)
        if obj is None or retrieval_fields.has_rerank_model():
            return groups
        left_out = retrieval_fields.OF_RERANKING
        return [
            (title, {**group, "fields": tuple(name for name in group["fields"] if name != left_out)})
            for title, group in groups
        ]

    def setting_field(self, request: HttpRequest, name: str) -> forms.Field:
        if name in retrieval_fields.FIELDS:
            return retrieval_fields.FIELDS[name]()
        return retrieval_fields.finished(name, super().setting_field(request, name))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.hint:
            messages.warning(request, form.hint)

    def in_words(self, version: Any, name: str) -> str:
        said = retrieval_fields.in_words(version, name)
        return super().in_words(version, name) if said is None else said
