"""Agents in the admin: topics as cards with a chat beside them, a map, and the tabs of every versioned thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agents.admin.mapping import map_of
from agents.admin.topics_field import TopicsField, as_lines, in_words
from agents.models import Agent, targets
from agents.models.proving import prove_topics
from agents.topic_parts import proved
from magnet.admin.base import ObjectPage, Tab
from magnet.admin.differences import Difference, differences, word_pieces
from magnet.admin.menu import AGENTS, MenuEntry
from magnet.admin.prompt_form import variables_field
from magnet.admin.version_form import VersionedForm
from magnet.admin.versions import VersionedAdmin
from magnet.errors import InvalidInput
from magnet.models.versions import Version
from magnet.prompt_parts import Variable
from tools_app.admin import presentation
from tools_app.admin.answer_fields import ANSWER_FIELDS
from tools_app.admin.rag_tools import ANY_DOCUMENT, answers_are_quotes

LIST = "admin:agents_agent_changelist"
TOPICS = "topics"


class AgentForm(VersionedForm):
    def settings_of(self, version: Any) -> dict[str, Any]:
        return {**super().settings_of(version), TOPICS: version.topics()}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        topics = cleaned.get(TOPICS)
        if topics is None or "variables" in self.errors:
            return cleaned
        declared = [Variable.model_validate(row) for row in cleaned.get("variables", ())]
        try:
            prove_topics(proved(topics), variables=declared, agent=self.instance)
        except InvalidInput as error:
            self.add_error(TOPICS, in_words(error, topics))  # type: ignore[arg-type]  # a list fits
        return cleaned


@admin.register(Agent)
class AgentAdmin(VersionedAdmin):
    form = AgentForm
    menu = [MenuEntry(AGENTS, 1, gettext_lazy("Agents"), "support_agent", LIST)]
    empty_icon = "support_agent"
    empty_text = gettext_lazy(
        "An agent talks with people and uses your tools. It needs a name and a topic: what people come with, how to go "
        "about it, and which tools help."
    )
    tabs = (*VersionedAdmin.tabs, Tab("map", gettext_lazy("Map")))
    asked_first = (TOPICS,)
    setting_groups = (
        (gettext_lazy("Topics and actions"), (TOPICS,)),
        (
            gettext_lazy("Model and prompts"),
            ("ai_model", "routing_prompt", "processing_prompt", "summary_prompt", "variables"),
        ),
        (gettext_lazy("Memory"), ("memory", ("memory_messages", "memory_tokens"))),
        (gettext_lazy("Limits of one turn"), (("max_steps", "max_seconds"), ("max_tokens", "max_cost"), "limit_text")),
        (
            gettext_lazy("What it says by itself"),
            ("welcome_text", "greeting_text", "farewell_text", "unclear_text", "off_topic_text"),
        ),
        (gettext_lazy("Afterwards"), ("closure_after_minutes", "analyses_conversations", "categories")),
        presentation.GROUP,
    )
    closed_groups = tuple(title for title, _names in setting_groups[1:])

    def setting_field(self, request: HttpRequest, name: str) -> forms.Field:
        if name == TOPICS:
            return TopicsField()
        if name == "variables":
            return variables_field()
        if name == "categories":
            return ANSWER_FIELDS[name]()
        if name == "sample_questions":
            return presentation.sample_questions_field()
        return super().setting_field(request, name)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        agent = kwargs.get("obj")
        if agent is not None:
            context |= try_it_context(agent)
        return super().render_change_form(request, context, *args, **kwargs)

    # -- The map -----------------------------------------------------------------------------------------------------

    def object_pages(self) -> Sequence[ObjectPage]:
        return (*super().object_pages(), ObjectPage("map", self.map_page))

    def map_page(self, request: HttpRequest, agent: Any) -> HttpResponseBase:
        version = agent.draft or agent.live
        return self.page(
            request, agent, "agents/map.html", tab="map", identity=agent, version=version, map=map_of(version)
        )

    # -- Versions ----------------------------------------------------------------------------------------------------

    def differences(self, old: Version | None, new: Version) -> list[Any]:
        columns = [name for name in self.setting_names() if name != TOPICS]
        before, after = (topics_in_words(old) if old else ""), topics_in_words(new)
        rest = differences(old, new, names=columns, in_words=self.in_words)
        if before == after:
            return rest
        return [Difference(_("Topics and actions"), before, after, word_pieces(before, after) if before else ()), *rest]

    def in_words(self, version: Any, name: str) -> str:
        if name == "sample_questions":
            return presentation.sample_questions_in_words(version)
        if name == "variables":
            return variables_field().in_words(version.variables)
        if name == "categories":
            return "\n".join(version.categories) or _("(empty)")
        return super().in_words(version, name)


def topics_in_words(version: Any) -> str:
    """All topics with their actions, as one reads them aloud."""
    parts = []
    for topic in version.topics():
        lines = [topic["name"], topic["description"], topic["instructions"]]
        lines += [_action_in_words(action) for action in topic["actions"]]
        parts.append("\n".join(filter(None, lines)))
    return "\n\n".join(parts) or _("(empty)")


def _action_in_words(action: dict[str, Any]) -> str:
    target = targets.find(action["kind"], action["slug"])
    asks = {True: _("always asks before"), False: _("never asks before"), None: ""}[action["needs_confirmation"]]
    said = [
        f"→ {target.name if target else action['slug']} ({targets.LABELS.get(action['kind'], action['kind'])})",
        action["description"],
        _("always: %(a)s") % {"a": as_lines(action["fixed_arguments"])} if action["fixed_arguments"] else "",
        _("usually: %(a)s") % {"a": as_lines(action["default_arguments"])} if action["default_arguments"] else "",
        asks,
        _("asks when tools were read before") if action["confirms_untrusted"] else "",
        _("its result is the answer") if action["answers_directly"] else "",
    ]
    return " · ".join(filter(None, said))


def try_it_context(agent: Any) -> dict[str, Any]:
    """What “Try it” needs: the API path that callers use, and where documents and traces are."""
    version = agent.draft or agent.live
    return {
        "try_it": "agents/try_it.html",
        "run_url": f"/api/agents/{agent.slug}/run",
        "document_url": reverse("admin:knowledge_document_change", args=[ANY_DOCUMENT]),
        "trace_url": reverse("admin:magnet_trace_change", args=[ANY_DOCUMENT]),
        "is_extractive": answers_are_quotes(agent),
        "asked_variables": version.declared() if version else (),
        "welcome": version.welcome_text if version else "",
        "samples": version.sample_questions if version else (),
    }
