"""The sections of the menu, top down, and what a page says of its place in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

CONVERSATIONS = _("Conversations")
AGENTS = _("Agents")
TOOLS = _("Tools")
KNOWLEDGE = _("Knowledge")
MODELS = _("Models")
INSIGHT = _("Insight")
PEOPLE = _("People and access")

# A section without a page that the person may see is left out.
SECTIONS = (CONVERSATIONS, AGENTS, TOOLS, KNOWLEDGE, MODELS, INSIGHT, PEOPLE)


@dataclass(frozen=True)
class MenuEntry:
    """Where a page stands: its section, its order there, and the name of its URL."""

    section: Any
    order: int
    title: Any
    icon: str
    url: str
