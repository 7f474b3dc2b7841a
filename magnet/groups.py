"""The groups that every installation starts with: Owner, Publisher, Editor, Analyst, Viewer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

APPS = ("magnet", "knowledge", "tools_app", "agents", "conversations", "auth")
WORK = (
    "prompttemplate",
    "knowledgesource",
    "document",
    "retrievaltool",
    "ragtool",
    "apiserver",
    "apitool",
    "mcpserver",
    "mcptool",
    "agent",
)
SEEN = (*WORK, "syncrun")
INSIGHT = ("trace", "span", "publication")
PLATFORM = ("provider", "aimodel")
# What people said is personal: it is for those whose work it is to look at it.
SAID = ("conversation", "message", "confirmation", "conversationanalysis")
ALERTS = ("webhook", "delivery")


@dataclass(frozen=True)
class StandardGroup:
    """A group, in words for whoever chooses it, and the permissions it starts with; none means all."""

    name: str
    description: object
    permissions: tuple[str, ...] | None


def _named(verbs: Iterable[str], models: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{verb}_{model}" for verb in verbs for model in models)


VIEWING = (*_named(["view"], SEEN), "run_agent")
EDITING = (
    *VIEWING,
    "view_restricted_document",
    *_named(["add", "change", "delete"], WORK),
    "run_apitool",
    "run_mcptool",
    *_named(["view"], (*INSIGHT, *PLATFORM, *ALERTS, *SAID)),
    "change_conversationanalysis",
    *_named(["add", "change", "delete"], ("webhook",)),
)
PUBLISHING = _named(["publish"], ("prompttemplate", "retrievaltool", "ragtool", "agent"))

STANDARD_GROUPS = (
    StandardGroup("Owner", _("Everything, also people, keys and providers."), None),
    StandardGroup("Publisher", _("As an editor, and decides what callers get."), (*EDITING, *PUBLISHING)),
    StandardGroup("Editor", _("Changes sources, documents, drafts of tools and prompts."), EDITING),
    StandardGroup(
        "Analyst",
        _("Sees tools and knowledge, every trace with its cost, and reads conversations."),
        (*VIEWING, *_named(["view"], (*INSIGHT, *SAID)), "change_conversationanalysis"),
    ),
    StandardGroup("Viewer", _("Sees tools and knowledge, and may ask."), VIEWING),
)


def seed() -> None:
    """Add the standard groups that are missing; those that exist keep what people made of them."""
    existing = set(Group.objects.values_list("name", flat=True))
    for standard in STANDARD_GROUPS:
        if standard.name not in existing:
            group = Group.objects.create(name=standard.name)
            group.permissions.set(permissions_of(standard))


def permissions_of(standard: StandardGroup) -> Iterable[Permission]:
    ours = Permission.objects.filter(content_type__app_label__in=APPS)
    return ours if standard.permissions is None else ours.filter(Q(codename__in=standard.permissions))
