"""Who may read the texts that a trace has kept: nobody who may not find the documents that they quote."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from magnet.callers import current_caller
from magnet.models import Span, Trace

# Says whether some of these documents are there and for none of these groups. Documents live a floor above.
AreHidden = Callable[[Collection[UUID], Sequence[str]], bool]
_asked: list[AreHidden] = []


def ask(are_hidden: AreHidden) -> AreHidden:
    """Ask this floor, too, before texts are shown."""
    _asked.append(are_hidden)
    return are_hidden


def hide(trace: Trace, spans: Collection[Span]) -> bool:
    """Take the texts out of these spans, which are not saved, where the caller may not read them; says whether."""
    groups = current_caller().groups
    if groups is None or not any(are_hidden(trace.documents, groups) for are_hidden in _asked):
        return False
    for span in spans:
        if payload := getattr(span, "payload", None):
            payload.input = payload.output = None
    return True
