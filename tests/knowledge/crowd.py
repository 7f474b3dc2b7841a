"""A source of tens of thousands of tiny chunks, made by the database itself: for tests that need size, not sense."""

from __future__ import annotations

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from knowledge.models import KnowledgeIndex
from knowledge.stores.pgvector import HalfVector
from magnet.models import AIModel
from tests import factories
from tests.knowledge.chunks import make_source

DIMENSIONS = 8

# Chunk n is document n; word w<n % 5000> makes some rare words, and `percent` any selectivity.
DOCUMENTS = """
insert into knowledge_document (id, source_id, remote_id, remote_key, title, url, media_type, metadata, version,
    given_title, fetched_version, file, file_hash, file_bytes, text, page_starts, language, content_hash, created_at,
    changed_at)
select gen_random_uuid(), %(source)s, n, md5(n::text), '', '', '', jsonb_build_object('percent', n %% 100), '', '', '',
    '', '', 0, '', '{}', 'en', 'hash', now(), now() from generate_series(1, %(count)s) n
"""
LEDGER = """
insert into knowledge_indexeddocument (index_id, document_id, state, is_due, language, content_hash, failure,
    failure_code, attempts, chunk_count, indexed_at, fields)
select %(index)s, d.id, 'live', false, 'en', 'hash', '', '', 0, 1, now(), d.metadata
from knowledge_document d where d.source_id = %(source)s
"""
CHUNKS = """
insert into knowledge_chunk (index_id, document_id, position, heading, text, start, "end", vector_key, lexemes,
    lexeme_count, token_count, embedding)
select %(index)s, d.id, 0, '', 'w' || d.remote_id::int %% 5000, 0, 5, '', to_tsvector('english', 'w' ||
    d.remote_id::int %% 5000), 1, 1, array(select random() - .5 from
    generate_series(1, %(dimensions)s) where d.id is not null)::real[]::halfvec
from knowledge_document d where d.source_id = %(source)s
"""
WORDS = """
insert into knowledge_word (index_id, lexeme, document_frequency)
select %(index)s, u.lexeme, count(*) from knowledge_chunk c cross join unnest(c.lexemes) u where index_id = %(index)s
group by u.lexeme
"""


def make_crowd(slug: str, *, count: int) -> KnowledgeIndex:
    """A live generation of `count` chunks with random vectors; statistics are up to date, as autovacuum keeps them."""
    index = make_source(slug, model=tiny_model()).live_index
    assert index is not None
    values = {"source": index.source_id, "index": index.pk, "count": count, "dimensions": DIMENSIONS}
    with connection.cursor() as cursor:
        cursor.execute("select setseed(.5)")
        for statement in (DOCUMENTS, LEDGER, CHUNKS, WORDS):
            cursor.execute(statement, values)
        cursor.execute("analyze knowledge_chunk, knowledge_document, knowledge_indexeddocument, knowledge_word")
    index.chunk_count = index.lexeme_total = count
    index.save(update_fields=["chunk_count", "lexeme_total"])
    return index


def tiny_model() -> AIModel:
    model = factories.local_embedding()
    tiny, _ = AIModel.objects.get_or_create(
        slug="tiny",
        defaults={
            "provider": model.provider,
            "name": "Tiny",
            "model_name": "tiny",
            "purpose": "embedding",
            "dimensions": DIMENSIONS,
        },
    )
    return tiny


def random_vectors(count: int) -> list[HalfVector]:
    drawn: NDArray[np.float32] = np.random.default_rng(7).standard_normal((count, DIMENSIONS)).astype(np.float32)
    return [HalfVector(vector) for vector in drawn]
