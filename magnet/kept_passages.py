"""The passages of an answer as they read that day, and what has become of their documents since.

trace, passage = kept_passages.find(trace_id, 1)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from magnet import trace_texts
from magnet.callers import current_caller
from magnet.errors import NotFound
from magnet.models import Span, Trace

MOST_SPANS = 1_000
CITATIONS = "check citations"
UNCHANGED, CHANGED, DELETED = "unchanged", "changed", "deleted"

# Why a text is not there (any more), by what trace_texts.why_missing() says.
NOT_KEPT = {
    "blanked": "A document that this answer quotes was deleted, so the texts of the answer went with it.",
    "not_recorded": "This answer was recorded with the level {recording}, so its passages were not kept.",
    "expired": "Texts of answers are kept for {days} days, and this answer is older.",
    "nothing": "No passages were kept of this answer.",
}


@dataclass(frozen=True)
class Standing:
    """A document today. One that was deleted has left its id, and when it went where that is known."""

    is_there: bool
    content_hash: str = ""
    changed_at: datetime | None = None
    name: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class KeptPassage:
    """`state` is unchanged, changed, deleted, or empty where nobody can tell; `since` is when that happened.

    `kept` is the passage as the answer had it; None where `missing` says why not. `document` names it as that day
    did, and where nothing was kept as it is called now; of a deleted one nothing but its id is left.
    """

    number: int
    is_cited: bool
    document: Mapping[str, Any]
    state: str
    since: datetime | None
    kept: Mapping[str, Any] | None
    missing: str = ""


# What is known today of these documents. They live a floor above.
Look = Callable[[Collection[UUID]], Mapping[UUID, Standing]]
_lookers: list[Look] = []


def ask(look: Look) -> Look:
    """Ask this floor, too, what has become of documents."""
    _lookers.append(look)
    return look


def find(trace_id: UUID, number: int) -> tuple[Trace, KeptPassage]:
    """Raises NotFound as `all_of`, and where the answer had no passage of this number or nothing is known of it."""
    trace, spans = _opened(trace_id)
    passages = of_spans(trace, spans)
    found = next((passage for passage in passages if passage.number == number), None)
    if found is not None:
        return trace, found
    if not passages and (missing := trace_texts.why_missing(trace, spans)):
        raise NotFound(in_words(missing, trace))
    raise NotFound(f"This answer has no passage {number}; it has {len(passages)}.")


def all_of(trace_id: UUID) -> tuple[Trace, list[KeptPassage], str]:
    """The trace, its passages by their numbers, and why texts are missing (empty where none is).

    Raises NotFound for a trace that is not there, is somebody else's, or quotes what the caller may not find.
    """
    trace, spans = _opened(trace_id)
    return trace, of_spans(trace, spans), trace_texts.why_missing(trace, spans)


def in_words(missing: str, trace: Trace) -> str:
    said = NOT_KEPT.get(missing, "")
    return said.format(days=settings.PAYLOAD_DAYS, recording=f"“{trace.recording}”")


def of_spans(trace: Trace, spans: Sequence[Span]) -> list[KeptPassage]:
    """The passages of the last step that had any, by their numbers; texts of spans that were hidden stay hidden."""
    rows = _rows_with_texts(spans) or _rows_without(spans)
    standings = _standings(row["document"].get("id") for row in rows)
    cited = {number for span in spans if span.name == CITATIONS for number in span.attributes.get("cited") or ()}
    missing = trace_texts.why_missing(trace, spans)
    return [
        _passage(row, standings.get(_uuid(row["document"].get("id"))), cited=cited, missing=missing) for row in rows
    ]


# -- Opening --------------------------------------------------------------------------------------------------------


def _opened(trace_id: UUID) -> tuple[Trace, list[Span]]:
    trace: Trace | None = Trace.objects.filter(pk=trace_id).first()
    # Who may not read it learns no more than who made its id up.
    if trace is None or not trace_texts.may_read(trace, current_caller()):
        raise NotFound(f"There is no answer {trace_id} of yours. It appears a second after it was given.")
    spans = list(trace.spans.select_related("payload").order_by("started_at", "id")[:MOST_SPANS])
    if trace_texts.hide(trace, spans):
        raise NotFound(f"There is no answer {trace_id} that you may read: it quotes what you may not find.")
    return trace, spans


def _rows_with_texts(spans: Iterable[Span]) -> list[dict[str, Any]]:
    found: list[Any] = []
    for span in spans:
        payload = getattr(span, "payload", None)
        output = payload.output if payload else None
        found = (output.get("passages") if isinstance(output, dict) else None) or found
    return [{**row, "document": row.get("document") or {}} for row in found if isinstance(row, dict)]


def _rows_without(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """Which documents they were of is no text, and outlives the texts."""
    ids: list[Any] = next((span.attributes["documents"] for span in spans if span.attributes.get("documents")), [])
    return [{"number": number, "document": {"id": each}} for number, each in enumerate(ids, start=1)]


def _standings(ids: Iterable[Any]) -> dict[UUID | None, Standing]:
    wanted = {key for each in ids if (key := _uuid(each)) is not None}
    found: dict[UUID | None, Standing] = {}
    for look in _lookers if wanted else ():
        for key, standing in look(wanted).items():
            found[key] = standing
    return found


def _passage(row: Mapping[str, Any], now: Standing | None, *, cited: set[Any], missing: str) -> KeptPassage:
    number, named = row.get("number"), row["document"]
    if now is not None and not now.is_there:
        # Also where the deletion came while the answer was on its way, and nobody has blanked it yet.
        deleted = {"id": named.get("id")}
        return KeptPassage(int(number or 0), number in cited, deleted, DELETED, now.changed_at, None, "blanked")
    kept = row if row.get("text") else None
    state, since = _change(row, now)
    name = named if kept else {**named, **(now.name or {} if now else {})}
    return KeptPassage(int(number or 0), number in cited, name, state, since, kept, "" if kept else missing)


def _change(row: Mapping[str, Any], now: Standing | None) -> tuple[str, datetime | None]:
    that_day = row.get("content_hash")
    if now is None or not that_day or not now.content_hash:
        return "", None
    return (UNCHANGED, None) if that_day == now.content_hash else (CHANGED, now.changed_at)


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
