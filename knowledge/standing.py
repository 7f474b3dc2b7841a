"""Where one document stands for a question: its places among far more chunks than a search weighs, and what it misses.

Asked when somebody wants to know why a document was not found, so it may take longer than a search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from psycopg import sql

from knowledge import generations, ranking, retrieval
from knowledge.filter_language import OWN_FIELDS, Combination, Comparison, Node, parse
from knowledge.filters import Condition, compiled
from knowledge.known_fields import known_to
from knowledge.models import Chunk, Document, IndexedDocument
from knowledge.ranking import Question, Row
from knowledge.statements import Mode
from magnet.callers import acting_as, current_caller
from magnet.database import in_database, raw_pool

# So many chunks by meaning and by words are put in order; what comes later has no place that anybody could tell apart.
MOST_ORDERED = 1_000
IN_WORDS = {"eq": "=", "ne": "≠", "in": "in", "gt": ">", "gte": "≥", "lt": "<", "lte": "≤", "contains": "contains"}


@dataclass(frozen=True)
class Standing:
    """The best chunk of the document; a place is None beyond MOST_ORDERED, `ordered` is how many were put in order."""

    chunk_id: int
    ordered: int
    place: int | None
    semantic_place: int | None
    word_place: int | None
    score: float | None
    semantic_score: float | None


@dataclass(frozen=True)
class Missed:
    """A part of a filter that the document does not fulfil, and what the document says instead."""

    condition: str
    field: str
    value: str


async def standing(
    query: str, *, document: UUID, indexes: Sequence[int], mode: Mode, filter: Mapping[str, Any] | None
) -> Standing | None:
    """None where none of its chunks can be found at all, by this mode. Raises ProviderErrors and NotFound.

    With the groups of the caller, as a search.
    """
    text = retrieval.cleaned(query)
    searched = [generation for index in indexes for generation in await generations.named(index)]
    condition = await retrieval.condition_for(parse(filter) if filter else None, searched)
    given = {} if mode == "words" else await retrieval.vectors_of(text, searched)
    question = Question(text, mode, MOST_ORDERED, searched, given, condition)
    rows, _in_scope = await ranking.ranked(question)
    own = await in_database(_chunks_of, document, [generation.index_id for generation in searched])
    for place, row in enumerate(rows, start=1):
        if row[0] in own:
            return _standing(row, place=place, ordered=len(rows))
    return await _alone(question, document, ordered=len(rows))


def _chunks_of(document: UUID, indexes: Sequence[int]) -> set[int]:
    return set(Chunk.objects.filter(document_id=document, index_id__in=indexes).values_list("pk", flat=True))


def _standing(row: Row, *, place: int, ordered: int) -> Standing:
    chunk_id, _index, score, meaning, _words, semantic_place, word_place = row[: retrieval.PASSAGE]
    return Standing(chunk_id, ordered, place, _told(semantic_place), _told(word_place), score, meaning)


def _told(place: int | None) -> int | None:
    return place if place is not None and place <= MOST_ORDERED else None


async def _alone(question: Question, document: UUID, *, ordered: int) -> Standing | None:
    """Compared by itself: its score by meaning is what it would be among others, that by words is not."""
    condition = Condition(sql.SQL("d.id = %(document)s::uuid"), {"document": document}, has_fields=False)
    rows, _in_scope = await ranking.ranked(replace(question, condition=condition, limit=1))
    return Standing(rows[0][0], ordered, None, None, None, None, rows[0][3]) if rows else None


# -- What a document misses of a filter ----------------------------------------------------------------------------


async def missed(filter: Mapping[str, Any], *, entry: IndexedDocument, document: Document) -> list[Missed]:
    """The parts of the filter that this document, as the ledger of this generation knows it, does not fulfil."""
    found: list[Missed] = []
    # What filters may name does not depend on whose groups ask.
    with acting_as(replace(current_caller(), groups=None)):
        for node in _parts(parse(filter)):
            condition = compiled(node, await known_to(node, [entry.index_id]))
            if not await _holds(condition, entry):
                field = _field(node)
                found.append(Missed(in_words(node), field, said_of(document, entry, field) if field else ""))
    return found


def _parts(node: Node) -> Iterator[Node]:
    """What has to hold, each for itself."""
    if isinstance(node, Combination) and node.kind == "and":
        for inner in node.nodes:
            yield from _parts(inner)
    else:
        yield node


async def _holds(condition: Condition, entry: IndexedDocument) -> bool:
    statement = sql.SQL(
        "select {condition} from knowledge_indexeddocument i join knowledge_document d on d.id = i.document_id "
        "where i.id = %(entry)s"
    ).format(condition=condition.sql)
    pool = await raw_pool()
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, {**condition.values, "entry": entry.pk})
        row = await cursor.fetchone()
    return bool(row and row[0])


def _field(node: Node) -> str:
    if not isinstance(node, Comparison):
        return ""
    return f"metadata.{node.field}" if node.is_metadata and node.field in OWN_FIELDS else node.field


def said_of(document: Document, entry: IndexedDocument, field: str) -> str:
    """What the document says in a field, as people write it; empty where it says nothing."""
    value = getattr(document, field) if field in OWN_FIELDS else entry.fields.get(field.removeprefix("metadata."))
    if value is None:
        return ""
    return ", ".join(map(_plain, value)) if isinstance(value, list) else _plain(value)


def in_words(node: Node) -> str:
    """“country = LV” as people read it."""
    if isinstance(node, Combination):
        if node.kind == "not":
            return f"not ({' and '.join(map(in_words, node.nodes))})"
        return f" {node.kind} ".join(
            f"({in_words(each)})" if isinstance(each, Combination) and len(each.nodes) > 1 else in_words(each)
            for each in node.nodes
        )
    if node.operator == "exists":
        return f"{node.field} is said" if node.value else f"{node.field} is not said"
    values = ", ".join(map(_plain, node.values))
    return f"{node.field} {IN_WORDS[node.operator]} {values}"


def _plain(value: Any) -> str:
    said = {True: "yes", False: "no", None: "nothing"}.get(value) if value is None or isinstance(value, bool) else None
    return said or str(value)[:200]
