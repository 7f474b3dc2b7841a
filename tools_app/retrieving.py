"""Finds passages for a tool, stage by stage: one pipeline for all tools with sources.

found = await retrieving.find(tool.retrieval, "How do I add a source?", room=2_000)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from knowledge import retrieval
from knowledge.retrieval import Candidate, Found, Passage
from knowledge.statements import CANDIDATES
from magnet.providers.base import ChatMessage
from magnet.together import all_or_none
from magnet.tokens import truncate
from magnet.tracing import SpanRecord, span
from tools_app import choosing, neighbours, questions
from tools_app.questions import Asked
from tools_app.retrieval_loading import LoadedRetrieval
from tools_app.retrieval_parts import together
from tools_app.stages import Dropped, Record, Retrieved, Stage

# Of several searches each brings more than is wanted, so that what all of them find can rise.
LEAST_FOR_FUSION = 20


async def find(
    settings: LoadedRetrieval,
    question: str,
    *,
    history: Sequence[ChatMessage] = (),
    filter: Mapping[str, Any] | None = None,
    room: int | None = None,
) -> Retrieved:
    """The passages for a question, best first, as many as fit into `room` (tokens; the tool's own budget by default).

    `filter` narrows the tool's own. Raises InvalidInput, NotFound and ProviderErrors of the search; what other models
    do on the way cannot fail it.
    """
    record = Record()
    with span("stages", kind="retrieval") as step:
        asked = await questions.prepared(settings, question, history=history, record=record)
        found, in_force = await _searched(settings, asked, filter, record)
        passages, rerank_failed = await _narrowed(settings, asked, found, record)
        passages = await _widened(settings, asked, passages, record, room=room or settings.context_tokens)
        whole = Retrieved(
            passages=tuple(passages),
            stages=tuple(record.stages),
            question=asked.question,
            queries=asked.queries,
            language=asked.language,
            filter=in_force,
            documents_in_scope=found[0].documents_in_scope,
            rerank_failed=rerank_failed,
        )
        _keep(step, whole, found)
    return whole


def _keep(step: SpanRecord, whole: Retrieved, found: Sequence[Found]) -> None:
    """What explains later why a document was not used. The candidates of each search stand with its own span, too."""
    step.set(passages=len(whole.passages), stages=[stage.name for stage in whole.stages])
    if whole.rerank_failed:
        step.set(rerank_failed=True)
    if step.recording != "full":
        return
    step.keep(
        input={"question": whole.question, "queries": whole.queries, "filter": whole.filter},
        output={
            "stages": [stage.as_record() for stage in whole.stages],
            "candidates": [candidate[0] for each in found for candidate in each.candidates],
            "used": [passage.chunk_id for passage in whole.passages],
        },
    )


# -- Search --------------------------------------------------------------------------------------------------------


async def _searched(
    settings: LoadedRetrieval, asked: Asked, filter: Mapping[str, Any] | None, record: Record
) -> tuple[list[Found], dict[str, Any]]:
    """One search for each query, and the filter that was in force."""
    surely = together([settings.fixed_filter, filter])
    in_force = together([surely, asked.chosen])
    found = await _all(settings, asked, in_force)
    if asked.chosen and not found[0].documents_in_scope:
        # A model may read too much from a question; that must not be the reason why nothing is found.
        record.amend("filter", kept=0, failed=True, said="No document fits what the model chose, so it was left out.")
        in_force = surely
        found = await _all(settings, asked, in_force)
    limit = _limit(settings, asked)
    setting = {"search_mode": settings.search_mode, "filter": in_force} if in_force else None
    record.stages.append(Stage("search", _count(found), _beyond(found, limit), setting))
    return found, in_force


async def _all(settings: LoadedRetrieval, asked: Asked, filter: Mapping[str, Any]) -> list[Found]:
    limit = _limit(settings, asked)
    searches = [
        retrieval.search(query, sources=settings.sources, limit=limit, mode=settings.search_mode, filter=filter or None)
        for query in asked.queries
    ]
    return [await searches[0]] if len(searches) == 1 else await all_or_none(searches)


def _limit(settings: LoadedRetrieval, asked: Asked) -> int:
    """So many passages that those that are dropped on the way leave enough."""
    wanted = settings.passage_count
    if settings.is_boosted or settings.most_per_document:
        return max(wanted, CANDIDATES)
    if settings.rerank_model is not None:
        wanted = max(wanted, settings.rerank_candidates)
    return max(2 * wanted, LEAST_FOR_FUSION) if len(asked.queries) > 1 else wanted


def _count(found: Sequence[Found]) -> int:
    return len({passage.chunk_id for each in found for passage in each.passages})


def _beyond(found: Sequence[Found], limit: int) -> tuple[Dropped, ...]:
    """The candidates that no search put among its best."""
    kept = {passage.chunk_id for each in found for passage in each.passages}
    best: dict[int, tuple[int, Candidate]] = {}
    for each in found:
        for rank, candidate in enumerate(each.candidates[limit:], start=limit + 1):
            known = best.get(candidate.chunk_id)
            if candidate.chunk_id not in kept and (known is None or rank < known[0]):
                best[candidate.chunk_id] = (rank, candidate)
    return tuple(Dropped(chunk, rank, candidate.score) for chunk, (rank, candidate) in best.items())


# -- From what was found to what is used -------------------------------------------------------------------------------


async def _narrowed(
    settings: LoadedRetrieval, asked: Asked, found: Sequence[Found], record: Record
) -> tuple[list[Passage], bool]:
    passages = list(found[0].passages) if len(found) == 1 else choosing.fused(found, record)
    passages = await choosing.boosted(settings, passages, record)
    passages = choosing.good_enough(settings, passages, record)
    passages = choosing.capped(settings, passages, record)
    passages, failed = await choosing.reranked(settings, asked.question, passages, record)
    return choosing.wanted(settings, passages, record), failed


async def _widened(
    settings: LoadedRetrieval, asked: Asked, passages: Sequence[Passage], record: Record, *, room: int
) -> list[Passage]:
    """With what stands around them, and no more than there is room for: neighbours never push out a passage."""
    kept = list(passages)
    if settings.neighbour_count and passages:
        left = min(settings.neighbour_tokens, room - sum(passage.token_count for passage in passages))
        if left > 0:
            kept = await neighbours.around(
                passages, count=settings.neighbour_count, max_tokens=left, question=asked.question
            )
        said = _longer(passages, kept) if left > 0 else "The passages alone leave no room."
        setting = {"neighbour_count": settings.neighbour_count, "neighbour_tokens": settings.neighbour_tokens}
        record.note("neighbours", kept=len(kept), setting=setting, said=said)
    fitting = within(kept, room=room)
    record.dropped("budget", before=kept, after=fitting, setting={"context_tokens": room})
    return fitting


def _longer(before: Sequence[Passage], after: Sequence[Passage]) -> str:
    more = sum(passage.token_count for passage in after) - sum(passage.token_count for passage in before)
    merged = len(before) - len(after)
    return f"{more} tokens more" + (f"; {merged} merged into others" if merged else "") + "."


def within(passages: Sequence[Passage], *, room: int) -> list[Passage]:
    """The best passages that fit into the room; always the first, cut where it must be."""
    left = room
    kept: list[Passage] = []
    for passage in passages:
        if passage.token_count > left:
            break
        kept.append(passage)
        left -= passage.token_count
    if passages and not kept:
        kept.append(cut(passages[0], max_tokens=left))
    return kept


def cut(passage: Passage, *, max_tokens: int) -> Passage:
    text = truncate(passage.text, max_tokens)
    pages = passage.pages.until(len(text)) if passage.pages else None
    return replace(passage, text=text, end=passage.start + len(text), token_count=max_tokens, pages=pages)
