"""How a tool is shown to those who ask it, as a group of its form, and where its ask page is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from magnet.admin.config_forms import LinesField
from tools_app.models import RagToolVersion

GROUP = (
    gettext_lazy("How it is shown"),
    ("header", "introduction", "sample_questions", ("link_titles", "opens_passages", "takes_feedback")),
)


def sample_questions_field() -> LinesField:
    column: Any = RagToolVersion._meta.get_field("sample_questions")
    return LinesField(label=capfirst(column.verbose_name), help_text=column.help_text, required=False)


def sample_questions_in_words(version: Any) -> str:
    return "\n".join(version.sample_questions) or _("(empty)")


def ask_path(tool: Any) -> str:
    return reverse("ask_tool", args=[tool.slug])


def ask_link(tool: Any, words: str) -> str:
    return format_html('<a class="mg-link" href="{}">{}</a>', ask_path(tool), words)


def ask_context(tool: Any) -> dict[str, Any]:
    """What the tool's page says of its ask page."""
    return {"ask_path": ask_path(tool), "ask_address": f"{settings.PUBLIC_URL}{ask_path(tool)}"}
