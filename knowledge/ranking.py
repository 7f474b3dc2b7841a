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
MANY_DOCUMENTS, SAMPLED_DOCUMENTS = 20_000, 3_000
# Through the HNSW index a filter is asked for each chunk that comes along, CANDIDATES / share of them; without it each
# chunk in scope is fetched and compared, which costs this many times less.
EXACT_ADVANTAGE = 4
# So many by meaning are enough under a filter: whatever answers stands the further to the front the fewer there are.
NEAR_UNDER_FILTER = CANDIDATES // 2
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

    @property
    def near(self) -> int:
        """How many of them an index is asked for: under a filter it walks past all those out of scope."""
        return self.candidates if self.condition is None else max(NEAR_UNDER_FILTER, self.limit)


@dataclass(frozen=True)
class Scope:
    """How many documents fit the condition, by generation, and which, where they are so few that each is compared."""

    counts: Mapping[int, int]
    # Arrays as PostgreSQL writes them.
    documents: Mapping[int, str] = field(default_factory=dict)
    # So many fit at least, as a sample said.
    surely: Mapping[int, int] = field(default_factory=dict)

    def documents_of(self, searched: Sequence[Generation]) -> str | None:
        """All of them; None where some generation has too many."""
        if any(generation.index_id not in self.documents for generation in searched):
            return None
        return f"{{{','.join(filter(None, (text[1:-1] for text in self.documents.values())))}}}"


Row = tuple[Any, ...]


async def ranked(question: Question) -> tuple[list[Row], int | None]:
    """The candidates' rows, best first, the first `limit` with their text, and how many documents fit the filter."""
    scope = await _scope(question)
    if not question.searched or (scope is not None and not any(scope.counts.values())):
        return [], 0
    found = await asyncio.gather(_found(question, scope), _in_scope(question, scope))
    return found[0], found[1]


async def _found(question: Question, scope: Scope | None) -> list[Row]:
    parts, near = await _found_elsewhere(question, [_part(each, scope) for each in question.searched])
    rows = await _rows(question, parts, scope, near)
    if question.mode != "words" and len(rows) < question.limit and not all(part.is_exact for part in parts):
        # What looks for the nearest gave up before it had found enough, so every chunk in scope is compared.
        parts = tuple(Part(part.index_id, part.dimensions, is_exact=True) for part in parts)
        rows = await _rows(question, parts, scope)
    return rows


# -- Which documents a condition leaves -------------------------------------------------------------------------------


async def _scope(question: Question) -> Scope | None:
    """What the condition leaves of each generation; None where nobody needs to know.

    Where documents are too many to compare all their chunks, it does not matter how many more they are.
    """
    if question.condition is None or not question.searched:
        return None
    if not question.is_counted and all(generation.is_scanned for generation in question.searched):
        return None
    surely = await asyncio.gather(*(_surely(question, generation) for generation in question.searched))
    sampled = dict(zip((each.index_id for each in question.searched), surely, strict=True))
    enough = {each: _narrow_documents(each) + 1 for each in question.searched}
    found = await _counted(question, enough, surely=sampled, is_named=True)
    narrow = {each.index_id for each in question.searched if found[each.index_id][0] < enough[each]}
    documents = {index: documents or "{}" for index, (_, documents) in found.items() if index in narrow}
    return Scope({index: count for index, (count, _) in found.items()}, documents, sampled)


async def _in_scope(question: Question, scope: Scope | None) -> int | None:
    """How many documents fit the condition, in each generation up to MOST_COUNTED."""
    if scope is None or not question.is_counted:
        return None
    many = {each: MOST_COUNTED for each in question.searched if _narrow_documents(each) < scope.counts[each.index_id]}
    found = await _counted(question, many, surely=scope.surely, is_named=False)
    return sum({**scope.counts, **{index: count for index, (count, _) in found.items()}}.values())


async def _counted(
    question: Question, most: Mapping[Generation, int], *, surely: Mapping[int, int], is_named: bool
) -> dict[int, tuple[int, str | None]]:
    """How many documents fit, in each generation no further than to the number from which on it does not matter.

    With their names, where they are wanted and fewer than that; None where none fits.
    """
    counts: dict[int, tuple[int, str | None]] = {each.index_id: (enough, None) for each, enough in most.items()}
    left = [each for each, enough in most.items() if surely[each.index_id] < enough]
    if left and question.condition:
        values = {**question.condition.values, **_searched(left), "most": max(most[each] for each in left)}
        found = await _fetch(statements.count(question.condition, is_named=is_named), values)
        counts |= {index: (count, documents) for index, count, documents in found}
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


def _part(generation: Generation, scope: Scope | None) -> Part:
    is_narrow = scope is not None and scope.counts.get(generation.index_id, 0) <= _narrow_documents(generation)
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
    scope: Scope | None,
    near: Mapping[int, list[int]] = MappingProxyType({}),
) -> list[Row]:
    """`near` are the chunks that another store has named, by generation."""
    wording, candidates = _wording(question), question.candidates
    values = _values(question, scope) | {statements.near_name(index): chunks for index, chunks in near.items()}
    if question.condition is None:
        statement = statements.unrestricted(question.mode, parts, wording=wording, candidates=candidates)
        return await _fetch(statement, values, is_prepared=True)
    documents = scope.documents_of(question.searched) if scope else None
    if documents is not None:
        statement = statements.search_found(question.mode, parts, wording=wording, candidates=candidates)
        return await _fetch(statement, {**values, "scope": documents}, is_prepared=True)
    statement = statements.search(
        question.mode, parts, wording=wording, condition=question.condition, candidates=candidates, near=question.near
    )
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


def _values(question: Question, scope: Scope | None) -> dict[str, Any]:
    has_pairs = any(generation.has_character_pairs for generation in question.searched)
    values: dict[str, Any] = dict(question.condition.values) if question.condition else {}
    values |= {
        "words": character_pairs(question.text) if has_pairs else question.text,
        "characters": single_characters(question.text),
        "configurations": _configurations(question),
        **_searched(question.searched),
        "limit": question.limit,
        "rare_rows": _rare_rows(question, scope),
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


def _rare_rows(question: Question, scope: Scope | None) -> int:
    """Under a narrow condition most rows of a word are out of scope, so more words may be followed."""
    if scope is None or not all(_part(generation, scope).is_exact for generation in question.searched):
        return RARE_ROWS
    everything = sum(generation.chunk_count for generation in question.searched)
    in_scope = sum(scope.counts.get(g.index_id, 0) * g.chunks_per_document for g in question.searched)
    return int(min(MOST_RARE_ROWS, max(RARE_ROWS, RARE_ROWS * everything / max(in_scope, 1))))


def _configurations(question: Question) -> list[str]:
    return sorted({name for generation in question.searched for name in generation.configurations}) or ["simple"]


def _searched(searched: Sequence[Generation]) -> dict[str, list[int]]:
    """The generations, and the source of each."""
    return {
        "indexes": [generation.index_id for generation in searched],
        "sources": [generation.source_id for generation in searched],
    }
