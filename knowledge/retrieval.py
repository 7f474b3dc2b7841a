"""Finds passages: the question's vectors, one statement over the sources' live generations, its rows as passages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import sql

from knowledge import generations, ranking
from knowledge.filter_language import Node, parse
from knowledge.filters import Condition, compiled
from knowledge.generations import Generation
from knowledge.known_fields import known_to
from knowledge.pages import Pages
from knowledge.ranking import Question, Row
from knowledge.statements import Mode
from knowledge.stores.pgvector import HalfVector
from magnet import gateway
from magnet.callers import current_caller
from magnet.errors import InvalidInput, NotConfigured
from magnet.models import AIModel
from magnet.tracing import SpanRecord, span

MODES: tuple[Mode, ...] = ("hybrid", "meaning", "words")
MAX_LIMIT = 200
# What is longer is a pasted document, and its beginning says what it is about.
MAX_QUESTION_CHARACTERS = 12_000
# So many of the chunks that were weighed are kept to explain an answer; the worst ones explain nothing.
MOST_CANDIDATES = 100
# Where the columns of a passage begin in a row.
PASSAGE = 7


@dataclass(frozen=True)
class Passage:
    """A chunk as it is shown. `score` is weight · semantic_score + (1 - weight) · word_score; all are 0 to 1.

    `page` is the one of `pages` where the part stands that fits the question best; both are None without pages.
    """

    chunk_id: int
    document_id: UUID
    source: str
    remote_id: str
    title: str
    url: str
    text: str
    heading: str
    page: int | None
    pages: Pages | None
    start: int
    end: int
    content_hash: str
    token_count: int
    score: float
    semantic_score: float | None
    word_score: float | None


class Candidate(NamedTuple):
    """A chunk that was weighed, for the explanation of an answer; a place is None where that way did not find it."""

    chunk_id: int
    source: str
    score: float
    semantic_score: float | None
    word_score: float | None
    semantic_place: int | None
    word_place: int | None


@dataclass(frozen=True)
class Found:
    """`documents_in_scope` is counted under a filter only, and in each source no further than ranking.MOST_COUNTED."""

    passages: tuple[Passage, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    documents_in_scope: int | None = None


async def search(
    query: str,
    *,
    sources: Sequence[str],
    limit: int,
    mode: Mode = "hybrid",
    filter: Mapping[str, Any] | None = None,
    minimum_score: float = 0.0,
    index: int | None = None,
) -> Found:
    """The best passages in the sources (slugs), best first: `limit` of them while so many exist.

    By words only, those that share a word with the query. `index` names a generation instead of those that serve.
    Raises InvalidInput, NotFound and ProviderErrors.
    """
    text = cleaned(query)
    check(mode, limit)
    node = None if filter is None else parse(filter)
    with span("retrieve", kind="retrieval", sources=list(sources), mode=mode, limit=limit) as step:
        asked = {"query": text, "filter": filter, "minimum_score": minimum_score}
        # For whom it was looked: who asks later why a document is missing must know.
        step.keep(input={**asked, "groups": current_caller().groups})
        searched = await (generations.live(sources) if index is None else generations.named(index))
        condition = await condition_for(node, searched)
        vectors = {} if mode == "words" else await vectors_of(text, searched)
        is_counted = filter is not None
        question = Question(text, mode, limit, searched, vectors, condition, is_counted=is_counted)
        rows, in_scope = await ranking.ranked(question)
        in_scope = in_scope if is_counted else None
        found = found_in(rows, question, minimum_score=minimum_score, in_scope=in_scope)
        record(step, found)
    return found


def cleaned(query: str) -> str:
    """Without what PostgreSQL cannot take (NUL, halves of surrogate pairs), and not longer than is useful."""
    text = query[:MAX_QUESTION_CHARACTERS].replace("\0", " ").encode(errors="ignore").decode().strip()
    if not text:
        raise InvalidInput("The question is empty. Ask with at least one word.")
    return text


def check(mode: Mode, limit: int) -> None:
    if mode not in MODES:
        raise InvalidInput(f"The search mode is one of: {', '.join(MODES)}.", allowed=list(MODES))
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"A search finds 1 to {MAX_LIMIT} passages, not {limit}.")


async def condition_for(filter: Node | None, searched: Sequence[Generation]) -> Condition | None:
    """What a document must fulfil: the filter, and the caller's groups where the source knows who may see it.

    Raises InvalidInput for a filter that does not fit the fields of these generations.
    """
    condition = None
    if filter is not None:
        condition = compiled(filter, await known_to(filter, [generation.index_id for generation in searched]))
    groups = current_caller().groups
    if groups is None:
        return condition
    visible = sql.SQL("(d.groups is null or d.groups && %(groups)s::varchar[])")
    if condition is None:
        return Condition(visible, {"groups": list(groups)}, has_fields=False)
    both = sql.SQL(" and ").join([condition.sql, visible])
    return Condition(both, {**condition.values, "groups": list(groups)}, condition.has_fields)


# -- The question's vectors ----------------------------------------------------------------------------------------


async def vectors_of(text: str, searched: Sequence[Generation]) -> dict[int, HalfVector]:
    """The question's vector for each generation, by its number; each embedding model is asked once."""
    models = {generation.model.pk: generation.model for generation in searched}
    embedded = await asyncio.gather(*(_vector(text, model) for model in models.values()))
    by_model = dict(zip(models, embedded, strict=True))
    for generation in searched:
        _check_dimensions(generation, by_model[generation.model.pk])
    return {generation.index_id: by_model[generation.model.pk] for generation in searched}


async def _vector(text: str, model: AIModel) -> HalfVector:
    embeddings = await gateway.embed(model, [text], purpose="query")
    return HalfVector(embeddings.vectors[0])


def _check_dimensions(generation: Generation, vector: HalfVector) -> None:
    if vector.dimensions != generation.dimensions:
        raise NotConfigured(
            f"The model “{generation.model.name}” answers with {vector.dimensions} numbers, but “{generation.source}” "
            f"was indexed with {generation.dimensions}. Set the model's dimensions back, or index the source again."
        )


# -- Rows as passages ----------------------------------------------------------------------------------------------


def found_in(rows: Sequence[Row], question: Question, *, minimum_score: float, in_scope: int | None) -> Found:
    sources = {generation.index_id: generation.source for generation in question.searched}
    candidates = tuple(Candidate(row[0], sources[row[1]], *row[2:PASSAGE]) for row in rows[:MOST_CANDIDATES])
    # Only the best rows carry a document and a text.
    passages = tuple(
        _passage(row, sources[row[1]], question=question.text)
        for row in rows
        if row[PASSAGE] is not None and row[2] >= minimum_score
    )
    return Found(passages, candidates, in_scope)


def _passage(row: Row, source: str, *, question: str) -> Passage:
    chunk_id, _index, score, meaning, words, _meaning_place, _words_place = row[:PASSAGE]
    document_id, remote_id, title, url, text, heading, page, later, *rest = row[PASSAGE:]
    start, end, content_hash, token_count = rest
    pages = Pages(page, tuple(place - start for place in later or ())) if page else None
    return Passage(
        chunk_id=chunk_id,
        document_id=document_id,
        source=source,
        remote_id=remote_id,
        title=title,
        url=url,
        text=text,
        heading=heading,
        page=pages.best(text, question=question) if pages else None,
        pages=pages,
        start=start,
        end=end,
        content_hash=content_hash,
        token_count=token_count,
        score=score,
        semantic_score=meaning,
        word_score=words,
    )


def record(step: SpanRecord, found: Found) -> None:
    step.set(passages=len(found.passages), candidates=len(found.candidates))
    if found.documents_in_scope is not None:
        step.set(documents_in_scope=found.documents_in_scope)
    if found.passages:
        step.set(best_score=round(found.passages[0].score, 4))
    step.keep(output={"columns": Candidate._fields, "candidates": found.candidates})
