"""Prompt templates in the admin: what is said to a model, with draft, comparison, playground, publishing and undo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from magnet.admin import playground
from magnet.admin.base import SETTINGS_TAB, ObjectPage, Tab
from magnet.admin.differences import setting_in_words
from magnet.admin.menu import MODELS, MenuEntry
from magnet.admin.prompt_form import FIELDS, PromptForm, answer_field, examples_field, shown_for_model, variables_field
from magnet.admin.rows_field import RowsField
from magnet.admin.versions import VersionedAdmin
from magnet.answer_schema import fields_of
from magnet.default_prompts import BY_SLUG
from magnet.models import PromptTemplate

ROWS: dict[str, Callable[[], RowsField]] = {
    "variables": variables_field,
    "examples": examples_field,
    "response_schema": answer_field,
}


@admin.register(PromptTemplate)
class PromptTemplateAdmin(VersionedAdmin):
    menu = [
        MenuEntry(MODELS, 3, gettext_lazy("Prompt templates"), "edit_note", "admin:magnet_prompttemplate_changelist")
    ]
    empty_icon = "edit_note"
    empty_text = gettext_lazy("A prompt template is what is said to a model. RAG tools use the one named “rag-answer”.")
    form = PromptForm
    tabs = (SETTINGS_TAB, Tab("playground", gettext_lazy("Playground")), *VersionedAdmin.tabs[1:])
    list_display = ("name", "slug", "in_category", "what_is_live", "what_is_draft", "changed")
    list_filter = ("category", "tags")
    search_fields = ("name", "slug", "description", "category", "notes")
    identity_fields = ("name", "description", "category", "notes", "tags")
    asked_first = ("instructions", "prompt")
    setting_groups = (
        (gettext_lazy("What is said"), ("instructions", "prompt", "variables", "examples")),
        (
            gettext_lazy("Who answers, and how"),
            ("ai_model", ("temperature", "top_p"), "reasoning_effort", ("max_output_tokens", "stop")),
        ),
        (gettext_lazy("The answer"), ("response_format", "response_schema", "recording")),
    )

    def object_pages(self) -> Sequence[ObjectPage]:
        return (*super().object_pages(), ObjectPage("playground", self.playground_page))

    def playground_page(self, request: HttpRequest, template: Any) -> HttpResponseBase:
        more = playground.context(request, template)
        return self.page(request, template, "magnet/playground.html", tab="playground", **more)

    @property
    def conditional_fields(self) -> dict[str, str]:
        return shown_for_model()

    @display(description=gettext_lazy("category"), ordering="category")
    def in_category(self, template: Any) -> str:
        return template.category or "–"

    def setting_field(self, request: HttpRequest, name: str) -> forms.Field:
        return FIELDS[name]() if name in FIELDS else super().setting_field(request, name)

    def in_words(self, version: Any, name: str) -> str:
        if name == "stop":
            return ", ".join(version.stop) or _("(empty)")
        if name not in ROWS:
            return super().in_words(version, name)
        rows = fields_of(version.response_schema) if name == "response_schema" else getattr(version, name)
        return ROWS[name]().in_words(rows) if rows is not None else setting_in_words(version, name)

    def kept_because(self, obj: Any) -> str:
        if obj.slug not in BY_SLUG:
            return ""
        return _(
            "“%(name)s” is not deleted: it is the default of every tool that names no prompt template. Change it "
            "instead, or choose another one in the tools."
        ) % {"name": obj.name}

    def afterwards(self, obj: Any) -> str:
        """One that a tool names is not deleted at all (see deletion), so nobody is left with an error."""
        return _("No tool names it.")
