"""Asks the database for the chunks that fit a question best: chooses how each generation is searched, and runs it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from knowledge import statements, vectors
from knowledge.filters import Condition
from knowledge.generations import Generation
from knowledge.statements import CANDIDATES, Mode, Part, Wording
from knowledge.stores.pgvector import HalfVector
from magnet.database import raw_pool
from magnet.errors import VectorStoreUnavailable
from magnet.language import character_pairs, single_characters
from magnet.tracing import span

# Candidates are found by the rarest words, which stand in this many chunks together; the score uses all words.
RARE_ROWS, MOST_RARE_ROWS = 1_500, 4_000
# Documents that fit a filter are counted up to here.
MOST_COUNTED = 10_000
# Of so many documents a sample says whether a filter leaves many, which is faster than to count them.
MANY_DOCUMENTS, SAMPLED_DOCUMENTS = 20_000, 1_000
# Through the HNSW index a filter is asked for each chunk that comes along, CANDIDATES / share of them; without it each
# chunk in scope is fetched and compared, which costs this many times less.
EXACT_ADVANTAGE = 4
# A store beside PostgreSQL knows nothing of filters. Under one it is asked for so many times the candidates, and again
# for as many times more while too few of its hits may be shown.
MORE_HITS = 4
# A smaller share of a generation than this (and no more chunks) is compared in PostgreSQL instead.
NARROW_SHARE, MOST_COMPARED = 0.05, 100_000


@dataclass(frozen=True)
class Question:
    """What is asked; `vectors` by the number of the generation, empty when only words count."""

    text: str
    mode: Mode
    limit: int
    searched: Sequence[Generation]
    vectors: Mapping[int, HalfVector] = field(default_factory=dict)
    condition: Condition | None = None
    # Whether the caller wants to know how many documents fit the condition.
    is_counted: bool = False

    @property
    def candidates(self) -> int:
        """How many chunks are weighed, of those near in meaning and of those with its words."""
        return max(CANDIDATES, self.limit)


Row = tuple[Any, ...]


async def ranked(question: Question) -> tuple[list[Row], int | None]:
    """The candidates' rows, best first, the first `limit` with their text, and how many documents fit the filter."""
    counts = await _counts(question)
    if not question.searched or (counts is not None and not any(counts.values())):
        return [], 0
    found = await asyncio.gather(_found(question, counts), _in_scope(question, counts))
    return found[0], found[1]


async def _found(question: Question, counts: Mapping[int, int] | None) -> list[Row]:
    parts, near = await _found_elsewhere(question, [_part(each, counts) for each in question.searched])
    rows = await _rows(question, parts, counts, near)
    if question.mode != "words" and len(rows) < question.limit and not all(part.is_exact for part in parts):
        # What looks for the nearest gave up before it had found enough, so every chunk in scope is compared.
        parts = tuple(Part(part.index_id, part.dimensions, is_exact=True) for part in parts)
        rows = await _rows(question, parts, counts)
    return rows


# -- How many documents a condition leaves ----------------------------------------------------------------------------


async def _counts(question: Question) -> dict[int, int] | None:
    """By generation, how many documents fit the condition; None where nobody needs to know.

    Where they are too many to compare all their chunks, it does not matter how many more they are.
    """
    if question.condition is None or not question.searched:
        return None
    if not question.is_counted and all(generation.is_scanned for generation in question.searched):
        return None
    return await _counted(question, {each: _narrow_documents(each) + 1 for each in question.searched})


async def _in_scope(question: Question, counts: Mapping[int, int] | None) -> int | None:
    """How many documents fit the condition, in each generation up to MOST_COUNTED."""
    if counts is None or not question.is_counted:
        return None
    many = {each: MOST_COUNTED for each in question.searched if _narrow_documents(each) < counts[each.index_id]}
    return sum({**counts, **await _counted(question, many)}.values())


async def _counted(question: Question, most: Mapping[Generation, int]) -> dict[int, int]:
    """The documents that fit, in each generation no further than to the number from which on it does not matter."""
    surely = await asyncio.gather(*(_surely(question, generation) for generation in most))
    left = [each for each, fitting in zip(most, surely, strict=True) if fitting < most[each]]
    counts = {each.index_id: enough for each, enough in most.items()}
    if left and question.condition:
        limit = max(most[each] for each in left)
        values = {**question.condition.values, **_searched(left), "most": limit}
        counts |= dict(await _fetch(statements.count(question.condition), values))
    return counts


async def _surely(question: Question, generation: Generation) -> int:
    """So many documents fit at least, as a sample says: three standard deviations below what it makes likely."""
    documents = generation.chunk_count / generation.chunks_per_document
    if question.condition is None or documents < MANY_DOCUMENTS:
        return 0
    percent = float(f"{100 * SAMPLED_DOCUMENTS / documents:.1g}")
    statement = statements.sampled(
        generation.index_id, source_id=generation.source_id, condition=question.condition, percent=percent
    )
    ((fitting,),) = await _fetch(statement, question.condition.values)
    return int((fitting - 3 * math.sqrt(fitting)) * 100 / percent)


def _part(generation: Generation, counts: Mapping[int, int] | None) -> Part:
    is_narrow = counts is not None and counts.get(generation.index_id, 0) <= _narrow_documents(generation)
    is_exact = is_narrow or generation.is_scanned
    is_given = generation.has_copy and not is_exact
    return Part(generation.index_id, generation.dimensions, is_exact=is_exact, is_given=is_given)


def _narrow_documents(generation: Generation) -> int:
    """Up to so many documents in scope, comparing all their chunks is faster than to look for them in the index."""
    chunks = math.sqrt(EXACT_ADVANTAGE * CANDIDATES * max(generation.chunk_count, 1))
    if generation.has_copy:
        chunks = max(chunks, min(NARROW_SHARE * generation.chunk_count, MOST_COMPARED))
    return int(chunks / generation.chunks_per_document)


# -- Candidates from a store beside PostgreSQL -----------------------------------------------------------------------


async def _found_elsewhere(question: Question, parts: Sequence[Part]) -> tuple[tuple[Part, ...], dict[int, list[int]]]:
    """What the store names, by generation; where it is away, the parts are searched without it."""
    asked = [part for part in parts if part.is_given and question.mode != "words"]
    if not asked:
        return tuple(parts), {part.index_id: [] for part in parts if part.is_given}
    with span("vector store", kind="retrieval", store=vectors.chosen().label) as step:
        try:
            found = await asyncio.gather(*(_nearest(question, part.index_id) for part in asked))
        except VectorStoreUnavailable as error:
            step.fail(error)
            step.set(instead="The vectors were compared in PostgreSQL, or found by their words.")
            return _without_store(question, parts)
        step.set(hits=sum(map(len, found)))
    return tuple(parts), dict(zip((part.index_id for part in asked), found, strict=True))


async def _nearest(question: Question, index_id: int) -> list[int]:
    """The nearest chunks of a generation, so many that enough of them may be shown, or all that the store gives."""
    most, limit = vectors.chosen().most_hits, question.candidates
    vector = question.vectors[index_id].numbers()
    while True:
        limit = min(limit * (MORE_HITS if question.condition else 2), most)
        near = await vectors.nearest(index_id, vector, limit=limit)
        if len(near) < limit or limit == most or await _shown(question, index_id, near) >= question.candidates:
            return near


async def _shown(question: Question, index_id: int, near: list[int]) -> int:
    if question.condition is None:
        return len(near)
    statement = statements.shown(index_id, question.condition)
    ((count,),) = await _fetch(statement, {**question.condition.values, "near": near})
    return int(count)


def _without_store(question: Question, parts: Sequence[Part]) -> tuple[tuple[Part, ...], dict[int, list[int]]]:
    """Small generations are compared whole; of large ones the words say which chunks are weighed."""
    large = {g.index_id for g in question.searched if g.chunk_count > MOST_COMPARED}
    kept = tuple(
        part if part.index_id in large else Part(part.index_id, part.dimensions, is_exact=True) for part in parts
    )
    return kept, {part.index_id: [] for part in kept if part.is_given}


# -- The statement -----------------------------------------------------------------------------------------------------


async def _rows(
    question: Question,
    parts: tuple[Part, ...],
    counts: Mapping[int, int] | None,
    near: Mapping[int, list[int]] = MappingProxyType({}),
) -> list[Row]:
    """`near` are the chunks that another store has named, by generation."""
    wording, candidates = _wording(question), question.candidates
    values = _values(question, counts) | {statements.near_name(index): chunks for index, chunks in near.items()}
    if question.condition is None:
        statement = statements.unrestricted(question.mode, parts, wording=wording, candidates=candidates)
        return await _fetch(statement, values, is_prepared=True)
    condition = question.condition
    statement = statements.search(question.mode, parts, wording=wording, condition=condition, candidates=candidates)
    return await _fetch(statement, values)


async def _fetch(statement: bytes, values: Mapping[str, Any], *, is_prepared: bool = False) -> list[Row]:
    pool = await raw_pool()
    async with pool.connection() as connection, connection.cursor(binary=True) as cursor:
        # To plan a search takes longer than to run it over some thousand chunks. There are endlessly many filters, so
        # only those that come again and again (permissions do, and the filters of tools) are prepared, too.
        await cursor.execute(statement, values, prepare=True if is_prepared else None)
        rows: list[Row] = await cursor.fetchall()
        return rows


def _wording(question: Question) -> Wording:
    if single_characters(question.text) and any(generation.has_character_pairs for generation in question.searched):
        return "single characters"
    return "one language" if len(_configurations(question)) == 1 else "several languages"


def _values(question: Question, counts: Mapping[int, int] | None) -> dict[str, Any]:
    has_pairs = any(generation.has_character_pairs for generation in question.searched)
    values: dict[str, Any] = dict(question.condition.values) if question.condition else {}
    values |= {
        "words": character_pairs(question.text) if has_pairs else question.text,
        "characters": single_characters(question.text),
        "configurations": _configurations(question),
        **_searched(question.searched),
        "limit": question.limit,
        "rare_rows": _rare_rows(question, counts),
    }
    for generation in question.searched:
        values |= _target_values(generation, question)
    return values


def _target_values(generation: Generation, question: Question) -> dict[str, Any]:
    """The share of meaning in the score belongs to the model, unless only one of the two is asked for."""
    index, (floor, ceiling) = generation.index_id, generation.cosine_range
    weights: dict[Mode, float] = {"hybrid": generation.model.fusion_weight, "meaning": 1.0, "words": 0.0}
    values: dict[str, Any] = {f"weight_{index}": weights[question.mode]}
    values |= {f"floor_{index}": floor, f"ceiling_{index}": ceiling}
    if question.vectors:
        values[f"vector_{index}"] = question.vectors[index]
    return values


def _rare_rows(question: Question, counts: Mapping[int, int] | None) -> int:
    """Under a narrow condition most rows of a word are out of scope, so more words may be followed."""
    if counts is None or not all(_part(generation, counts).is_exact for generation in question.searched):
        return RARE_ROWS
    everything = sum(generation.chunk_count for generation in question.searched)
    in_scope = sum(counts.get(g.index_id, 0) * g.chunks_per_document for g in question.searched)
    return int(min(MOST_RARE_ROWS, max(RARE_ROWS, RARE_ROWS * everything / max(in_scope, 1))))


def _configurations(question: Question) -> list[str]:
    return sorted({name for generation in question.searched for name in generation.configurations}) or ["simple"]


def _searched(searched: Sequence[Generation]) -> dict[str, list[int]]:
    """The generations, and the source of each."""
    return {
        "indexes": [generation.index_id for generation in searched],
        "sources": [generation.source_id for generation in searched],
    }
