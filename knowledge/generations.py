"""What a search must know of its sources: the generation that serves, its model, its languages. Cached, not counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from knowledge import vectors
from knowledge.models import KnowledgeIndex, KnowledgeSource
from magnet.database import cached
from magnet.errors import NotFound
from magnet.language import needs_character_pairs, search_configuration
from magnet.models import AIModel

# Skips from one language to the next in the index, where `distinct` would read the whole ledger.
LANGUAGES = """
with recursive spoken as (
    (select language from knowledge_indexeddocument where index_id = %(index)s and chunk_count > 0
     order by language limit 1)
    union all
    select (select e.language from knowledge_indexeddocument e
            where e.index_id = %(index)s and e.chunk_count > 0 and e.language > s.language
            order by e.language limit 1)
    from spoken s where s.language is not null)
select language from spoken where language is not null
"""
HAS_HNSW = "select exists (select from pg_index where indexrelid = to_regclass(%s) and indisvalid)"
# A sample: only needed to guess how many chunks a filter leaves.
CHUNKS_PER_DOCUMENT = """
select coalesce(avg(chunk_count), 1) from (
    select chunk_count from knowledge_indexeddocument where index_id = %s and chunk_count > 0 limit 1000) sample
"""


@dataclass(frozen=True)
class Generation:
    """A generation of one source as a search needs it."""

    source: str
    source_id: int
    index_id: int
    dimensions: int
    model: AIModel
    configurations: frozenset[str]
    has_character_pairs: bool
    has_hnsw: bool
    # Its vectors are in a store beside PostgreSQL.
    has_copy: bool
    chunk_count: int
    chunks_per_document: float

    @property
    def is_scanned(self) -> bool:
        """Whether nothing but comparing all its vectors finds the nearest."""
        return not (self.has_hnsw or self.has_copy)

    @property
    def cosine_range(self) -> tuple[float, float]:
        """The cosines that score 0 and 1 under this model."""
        floor, ceiling = self.model.score_floor, self.model.score_ceiling
        return (floor, ceiling) if ceiling > floor else (0.0, 1.0)


async def live(sources: Sequence[str]) -> tuple[Generation, ...]:
    """The serving generations of these sources (slugs), without those that have none yet. Raises NotFound."""
    slugs = tuple(dict.fromkeys(sources))
    return await cached(("generations", slugs), partial(load, slugs))


async def named(index: int) -> tuple[Generation, ...]:
    """One generation by its number in the database, whether it serves or not. Raises NotFound."""
    return await cached(("generation", index), partial(_load_named, index))


def _load_named(index_id: int) -> tuple[Generation, ...]:
    index = KnowledgeIndex.objects.for_use().select_related("source").filter(pk=index_id).first()
    if index is None:
        raise NotFound(f"There is no index {index_id}. It may have been removed.")
    return (_generation(index.source.slug, index),)


def load(slugs: Sequence[str]) -> tuple[Generation, ...]:
    sources = dict(KnowledgeSource.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    missing = [slug for slug in slugs if slug not in sources]
    if missing:
        raise NotFound(f"There is no knowledge source “{missing[0]}”. Check its slug in the admin.")
    indexes = {index.source_id: index for index in _live_indexes(sources.values())}
    return tuple(_generation(slug, index) for slug in slugs if (index := indexes.get(sources[slug])))


def _live_indexes(sources: Iterable[int]) -> QuerySet[KnowledgeIndex]:
    indexes: QuerySet[KnowledgeIndex] = KnowledgeIndex.objects.filter(source__in=list(sources), status="live").for_use()
    return indexes


def _generation(slug: str, index: KnowledgeIndex) -> Generation:
    with connection.cursor() as cursor:
        languages = _column(cursor, LANGUAGES, {"index": index.pk})
        (has_hnsw,) = _column(cursor, HAS_HNSW, [index.hnsw_name])
        (chunks_per_document,) = _column(cursor, CHUNKS_PER_DOCUMENT, [index.pk])
    return Generation(
        source=slug,
        source_id=index.source_id,
        index_id=index.pk,
        dimensions=index.dimensions,
        model=index.embedding_model,
        configurations=frozenset(map(search_configuration, languages)),
        has_character_pairs=any(map(needs_character_pairs, languages)),
        has_hnsw=has_hnsw,
        has_copy=vectors.has_copy(index.pk),
        chunk_count=index.chunk_count,
        chunks_per_document=float(chunks_per_document),
    )


def _column(cursor: CursorWrapper, statement: str, parameters: Any) -> list[Any]:
    cursor.execute(statement, parameters)
    return [value for (value,) in cursor.fetchall()]
