"""Runs the search of a past answer again for one document, with the settings, groups and index of that time."""

from __future__ import annotations

from dataclasses import replace

from knowledge import standing
from knowledge.models import Document, IndexedDocument, KnowledgeIndex
from knowledge.standing import MOST_ORDERED, Standing
from knowledge.statements import CANDIDATES
from magnet.callers import acting_as, current_caller
from magnet.errors import MagnetError
from magnet.tracing import trace
from tools_app.explanations import Finding, moment, ranks_in_words
from tools_app.recorded import Recorded

Facts = list[tuple[str, str]]


async def replayed(
    record: Recorded, *, document: Document, index: KnowledgeIndex | None, entry: IndexedDocument | None
) -> tuple[Finding, Facts]:
    """For a document that the search could have found and did not weigh: the filter, or its rank."""
    try:
        if record.filter and entry is not None and (finding := await _filtered(record, document, entry)):
            return finding, []
        place = await _placed(record, document, index)
    except MagnetError as error:
        said = f"Not among the {len(record.weighed):,} chunks that were weighed."
        return Finding("search", said, "search_mode"), [("Could not be compared again", error.detail)]
    facts = _scores(place)
    if entry is not None and entry.indexed_at is not None and entry.indexed_at > record.trace.started_at:
        return _changed(record, place, indexed=moment(entry.indexed_at)), facts
    return _ranked(record, place), facts


async def _filtered(record: Recorded, document: Document, entry: IndexedDocument) -> Finding | None:
    missed = await standing.missed(record.filter, entry=entry, document=document)
    if not missed:
        return None
    said = "; ".join(
        f"`{each.condition}`" + (f", and it says {each.field} = {each.value or 'nothing'}" if each.field else "")
        for each in missed
    )
    return Finding("filter", f"Excluded by the filter {said}.", "fixed_filter")


async def _placed(record: Recorded, document: Document, index: KnowledgeIndex | None) -> Standing | None:
    """Beside all that were searched then; generations that are gone are left out."""
    others = [pk for slug, pk in record.indexes.items() if slug != document.source.slug]
    indexes = ([index.pk] if index else []) + others
    caller = replace(current_caller(), groups=record.groups)
    # What is read again here is already kept with the answer.
    with acting_as(caller), trace(feature="explain", slug=record.trace.slug, recording="metadata"):
        return await standing.standing(
            record.query, document=document.pk, indexes=indexes, mode=record.mode, filter=record.filter or None
        )


def _ranked(record: Recorded, place: Standing | None) -> Finding:
    if place is None:
        return Finding("search", "It shares no word with the question, and only words were searched.", "search_mode")
    if place.place is not None and place.place <= len(record.weighed):
        said = f"It was not weighed then; now it comes at rank {place.place}. What is beside it has changed. Ask again."
        return Finding("changed_since", said)
    ranks = ranks_in_words(place.semantic_place, place.word_place, mode=record.mode, beyond=MOST_ORDERED)
    together = f", place {place.place:,} together" if place.place else ""
    said = f"Ranked too low: {ranks}{together}. A search weighs the best {CANDIDATES} by meaning and by words."
    return Finding("search", said, "search_mode")


def _changed(record: Recorded, place: Standing | None, *, indexed: str) -> Finding:
    said = f"Changed since: it was indexed again on {indexed}, and what it said before is not kept."
    if place is None or place.place is None:
        return Finding("changed_since", f"{said} As it is now, it is not among the first {MOST_ORDERED:,} either.")
    ranks = ranks_in_words(place.semantic_place, place.word_place, mode=record.mode, beyond=MOST_ORDERED)
    return Finding("changed_since", f"{said} As it is now, it comes at place {place.place:,}: {ranks}. Ask again.")


def _scores(place: Standing | None) -> Facts:
    if place is None:
        return []
    facts = [("Score", f"{place.score:.2f}")] if place.score is not None else []
    return facts + ([("By meaning", f"{place.semantic_score:.2f}")] if place.semantic_score is not None else [])
