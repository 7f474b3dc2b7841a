"""Prompt templates in the admin: what is said to a model, with draft, comparison, publishing and undo."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from magnet.admin.menu import MODELS, MenuEntry
from magnet.admin.versions import VersionedAdmin
from magnet.default_prompts import RAG_ANSWER
from magnet.models import PromptTemplate


@admin.register(PromptTemplate)
class PromptTemplateAdmin(VersionedAdmin):
    menu = [
        MenuEntry(MODELS, 3, gettext_lazy("Prompt templates"), "edit_note", "admin:magnet_prompttemplate_changelist")
    ]
    empty_icon = "edit_note"
    empty_text = gettext_lazy("A prompt template is what is said to a model. RAG tools use the one named “rag-answer”.")
    asked_first = ("instructions", "prompt")
    setting_groups = (
        (gettext_lazy("What is said"), ("instructions", "prompt")),
        (gettext_lazy("Who answers, and how"), ("ai_model", ("temperature", "max_output_tokens"))),
    )

    def kept_because(self, obj: Any) -> str:
        if obj.slug != RAG_ANSWER.slug:
            return ""
        return _(
            "“%(name)s” is not deleted: it is the default of every tool that names no prompt template. Change it "
            "instead, or choose another one in the tools."
        ) % {"name": obj.name}

    def afterwards(self, obj: Any) -> str:
        """One that a tool names is not deleted at all (see deletion), so nobody is left with an error."""
        return _("No tool names it.")
