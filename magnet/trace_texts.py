"""Who may read the texts that a trace has kept, and why there are none (any more)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from magnet.callers import Caller, current_caller
from magnet.models import Span, Trace

READS_TRACES = "traces:read"

# Says whether some of these documents are there and for none of these groups. Documents live a floor above.
AreHidden = Callable[[Collection[UUID], Sequence[str]], bool]
_asked: list[AreHidden] = []


def ask(are_hidden: AreHidden) -> AreHidden:
    """Ask this floor, too, before texts are shown."""
    _asked.append(are_hidden)
    return are_hidden


def hide(trace: Trace, spans: Collection[Span]) -> bool:
    """Take the texts out of these spans, which are not saved, where the caller may not read them; says whether."""
    if not quote_hidden(trace.documents):
        return False
    for span in spans:
        if payload := getattr(span, "payload", None):
            payload.input = payload.output = None
    return True


def quote_hidden(documents: Collection[UUID]) -> bool:
    """Whether texts that quote these documents are not for the current caller."""
    groups = current_caller().groups
    return groups is not None and any(are_hidden(documents, groups) for are_hidden in _asked)


def may_read(trace: Trace, caller: Caller) -> bool:
    """Whoever asked, and whoever may read all traces."""
    is_own = bool(caller.id) and (trace.caller_type, trace.caller_id) == (caller.kind, caller.id)
    return is_own or caller.may(READS_TRACES)


def why_missing(trace: Trace, spans: Iterable[Span]) -> str:
    """`blanked`, `not_recorded`, `expired` or `nothing`; empty where these spans have kept something."""
    kept = [span.payload for span in spans if hasattr(span, "payload")]
    if any(payload.is_blanked for payload in kept):
        return "blanked"
    if kept:
        return ""
    if trace.recording != "full":
        return "not_recorded"
    return "expired" if trace.started_at < timezone.now() - timedelta(days=settings.PAYLOAD_DAYS) else "nothing"
