"""RAG tools in the admin: the draft as a form with “Try it” beside it, and the tabs of every versioned thing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from magnet import feedback
from magnet.admin.menu import TOOLS, MenuEntry
from magnet.models import AIModel, PromptTemplate, Publication
from tools_app.admin import presentation, retrieval_fields
from tools_app.admin.answer_fields import ANSWER_FIELDS
from tools_app.admin.retrieval_form import RetrievalAdmin
from tools_app.models import RagTool, RagToolSource, RagToolVersion
from tools_app.models.answer_prompts import unfit_templates

LIST = "admin:tools_app_ragtool_changelist"
# Filled in by the page's script for each passage.
ANY_DOCUMENT = "00000000-0000-0000-0000-000000000000"


@admin.register(RagTool)
class RagToolAdmin(RetrievalAdmin):
    menu = [MenuEntry(TOOLS, 1, gettext_lazy("RAG tools"), "forum", LIST)]
    empty_icon = "forum"
    empty_text = gettext_lazy(
        "A RAG tool answers questions from the sources that you choose, and cites where it found the answer. It needs "
        "only a name and a source."
    )
    source_rows = RagToolSource
    list_display = ("name", "slug", "reads_from", "what_is_live", "what_is_draft", "changed", "where_to_ask")
    setting_groups = (
        *retrieval_fields.GROUPS,
        (gettext_lazy("Answer"), ("ai_model", "prompt_template", "nothing_found_text", "nothing_found_texts")),
        (gettext_lazy("Afterwards"), ("support_check", "analyses_answers", "categories")),
        presentation.GROUP,
    )

    @display(description=gettext_lazy("ask page"))
    def where_to_ask(self, tool: Any) -> str:
        if tool.live is None:
            return "–"
        return presentation.ask_link(tool, _("Open"))

    def published_in_words(self, identity: Any, publication: Publication) -> str:
        said = super().published_in_words(identity, publication)
        return format_html("{} {}", said, presentation.ask_link(identity, _("Open the ask page")))

    def setting_field(self, request: HttpRequest, name: str) -> forms.Field:
        if name in ANSWER_FIELDS:
            return ANSWER_FIELDS[name]()
        if name == "sample_questions":
            return presentation.sample_questions_field()
        field = super().setting_field(request, name)
        if name == "prompt_template" and isinstance(field, forms.ModelChoiceField):
            field.queryset = choosable_templates()
        return field

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        tool = kwargs.get("obj")
        if tool is not None:
            context |= try_it_context(tool)
        return super().render_change_form(request, context, *args, **kwargs)

    def in_words(self, version: Any, name: str) -> str:
        if name == "sample_questions":
            return presentation.sample_questions_in_words(version)
        return super().in_words(version, name)


def choosable_templates() -> QuerySet[PromptTemplate]:
    """Those that a RAG tool can use, and those in use: a form must not drop unseen what was chosen before."""
    in_use = RagToolVersion.objects.filter(prompt_template=OuterRef("pk"))
    rows: QuerySet[PromptTemplate] = PromptTemplate.objects.filter(~Q(pk__in=unfit_templates()) | Exists(in_use))
    return rows


def try_it_context(tool: Any) -> dict[str, Any]:
    """What “Try it” needs: the API path that callers use, and where documents and traces are."""
    return {
        "try_it": "tools_app/try_it.html",
        "answer_url": f"/api/rag-tools/{tool.slug}/answer",
        "document_url": reverse("admin:knowledge_document_change", args=[ANY_DOCUMENT]),
        "trace_url": reverse("admin:magnet_trace_change", args=[ANY_DOCUMENT]),
        "is_extractive": answers_are_quotes(tool),
        **presentation.ask_context(tool),
        "liked": feedback.share("rag_tool", tool.slug),
        "feedback_url": f"{reverse('admin:magnet_feedback_changelist')}?slug={tool.slug}",
    }


def answers_are_quotes(tool: Any) -> bool:
    """Known before the first answer: without a model of its own, the tool follows its prompt's or the default."""
    version = tool.draft or tool.live
    chat = version.ai_model if version else None
    if chat is None:
        chat = AIModel.objects.for_use().filter(purpose=AIModel.Purpose.CHAT, is_default=True).first()
    return chat is None or chat.provider.kind == "local"
