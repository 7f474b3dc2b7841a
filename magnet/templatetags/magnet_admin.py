"""How numbers, money, times and states look on the pages of the admin."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

register = template.Library()

TONES = {
    "ok": "success",
    "live": "success",
    "done": "success",
    "error": "danger",
    "failed": "danger",
    "stale": "warning",
    "waiting_for_approval": "warning",
    "cancelled": "neutral",
    "excluded": "neutral",
    "retired": "neutral",
    "pending": "info",
    "queued": "info",
    "listing": "info",
    "indexing": "info",
    "building": "info",
    "switching": "info",
    "paused": "warning",
    "ready": "success",
    "same": "neutral",
    "changed": "info",
    "better": "success",
    "worse": "danger",
}


@register.filter
def money(value: Any) -> str:
    """US dollars: cents from one cent on, below that the two digits that matter."""
    amount = Decimal(value or 0)
    if amount == 0:
        return "$0"
    if amount >= Decimal("0.01"):
        return f"${amount:,.2f}"
    return f"${amount:.2g}" if amount >= Decimal("0.0001") else "<$0.0001"


@register.filter
def milliseconds(value: Any) -> str:
    """12 ms, 1.3 s, 2 min 5 s."""
    if value is None:
        return "–"
    spent = float(value)
    if spent < 1_000:
        return f"{spent:.0f} ms" if spent >= 10 else f"{spent:.1f} ms"
    if spent < 60_000:
        return f"{spent / 1_000:.1f} s"
    return f"{spent // 60_000:.0f} min {spent % 60_000 / 1_000:.0f} s"


@register.filter
def thousands(value: Any) -> str:
    return f"{int(value or 0):,}"


@register.filter
def size(value: Any) -> str:
    amount = float(value or 0)
    for unit in ("B", "KB", "MB"):
        if amount < 1_000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1_000
    return f"{amount:.1f} GB"


@register.filter
def ago(moment: datetime | None) -> str:
    """“5 minutes ago”, “in 2 hours”; a dash when it never was."""
    if moment is None:
        return "–"
    now = timezone.now()
    if abs((now - moment).total_seconds()) < 60:
        return _("just now") if moment <= now else _("in a moment")
    if moment > now:
        return _("in %(span)s") % {"span": timesince(now, moment, depth=1)}
    return _("%(span)s ago") % {"span": timesince(moment, now, depth=1)}


@register.filter
def ago_titled(moment: datetime | None) -> SafeString:
    """As `ago`, with the exact time for whoever points at it."""
    if moment is None:
        return SafeString("–")
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact(moment), ago(moment))


def exact(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


@register.filter
def score(value: Any) -> str:
    return "–" if value is None else f"{float(value):.2f}"


@register.simple_tag
def badge(state: str, label: Any = "") -> SafeString:
    """A state as a coloured word; the word says it too, for those who do not see colours."""
    return badge_html(str(state), str(label or state))


def badge_html(state: str, label: str) -> SafeString:
    return format_html('<span class="mg-badge mg-{}">{}</span>', TONES.get(state, "neutral"), label)
