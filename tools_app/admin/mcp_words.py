"""What a server says of a tool, as a person reads it before approving: what is new in it, word by word."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from magnet.admin.differences import Difference, word_pieces
from tools_app.models import McpTool

LABELS = {
    "title": gettext_lazy("Title"),
    "description": gettext_lazy("Description"),
    "arguments": gettext_lazy("Arguments"),
    "annotations": gettext_lazy("Hints"),
}


def state_of(tool: McpTool) -> tuple[str, str]:
    """The tone of its badge, and its word."""
    if tool.gone_at is not None:
        return "stale", _("Gone")
    if not tool.is_approved:
        return ("changed", _("Changed")) if tool.approved_fingerprint else ("pending", _("New"))
    return ("live", _("Approved")) if tool.is_enabled else ("excluded", _("Off"))


def compared(tool: McpTool) -> list[Difference]:
    """What the server says now beside what was approved; all of it where nothing was. Empty where it is the same."""
    if tool.is_approved:
        return []
    found = []
    for name, label in LABELS.items():
        before, after = in_words(tool.approved.get(name)), in_words(getattr(tool, name))
        if before != after:
            found.append(Difference(str(label), before, after, word_pieces(before, after) if before else ()))
    return found


def in_words(value: Any) -> str:
    if not value:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
