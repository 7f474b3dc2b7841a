"""Writes the chunks of a batch of documents: COPY to a staging table, then replace, count, and keep the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from knowledge import originals
from knowledge.models import Document, IndexedDocument, KnowledgeIndex

STAGING = """
create temporary table if not exists chunk_staging (
    document_id uuid, position int, heading text, page int, text text, start int, "end" int, vector_key bytea,
    configuration text, words text, token_count int, embedding text
) on commit delete rows;
create temporary table if not exists word_delta (lexeme text, n int) on commit delete rows;
"""

COPY = """
copy chunk_staging (document_id, position, heading, page, text, start, "end", vector_key, configuration, words,
    token_count, embedding) from stdin
"""

# The lateral `offset 0` keeps the planner from computing to_tsvector once for each column that uses it.
INSERT = """
insert into knowledge_chunk (index_id, document_id, position, heading, page, text, start, "end", vector_key,
    lexemes, lexeme_count, token_count, embedding, is_disabled)
select %(index)s, s.document_id, s.position, s.heading, s.page, s.text, s.start, s."end", s.vector_key,
    v.lexemes, length.n, s.token_count, s.embedding::halfvec, exists (
        select from knowledge_disabledchunk x
        where x.document_id = s.document_id and x.text_hash = sha256(convert_to(s.text, 'UTF8')))
from chunk_staging s
    cross join lateral (select to_tsvector(s.configuration::regconfig, s.words) as lexemes offset 0) v
    cross join lateral (select coalesce(sum(cardinality(u.positions)), 0) as n from unnest(v.lexemes) u) length
"""

NOTE_WORDS = """
insert into word_delta select u.lexeme, %(sign)s * count(*)
from knowledge_chunk c cross join lateral unnest(c.lexemes) u
where c.index_id = %(index)s and c.document_id = any(%(documents)s) group by 1
"""

COUNT = """
update knowledge_knowledgeindex i
set chunk_count = i.chunk_count + %(sign)s * d.chunks, lexeme_total = i.lexeme_total + %(sign)s * d.lexemes
from (select count(*) as chunks, coalesce(sum(lexeme_count), 0) as lexemes from knowledge_chunk
      where index_id = %(index)s and document_id = any(%(documents)s)) d
where i.id = %(index)s
"""

# Last in the transaction, and sorted: unsorted, parallel batches deadlock.
ADD_WORDS = """
insert into knowledge_word (index_id, lexeme, document_frequency)
select %(index)s, lexeme, sum(n) from word_delta group by lexeme having sum(n) > 0 order by lexeme
on conflict (index_id, lexeme) do update
    set document_frequency = knowledge_word.document_frequency + excluded.document_frequency
"""
TAKE_WORDS = """
with less as (select lexeme, -sum(n) as n from word_delta group by lexeme having sum(n) < 0),
removed as (
    delete from knowledge_word w using less
    where w.index_id = %(index)s and w.lexeme = less.lexeme and w.document_frequency <= less.n)
update knowledge_word w set document_frequency = w.document_frequency - less.n
from less where w.index_id = %(index)s and w.lexeme = less.lexeme and w.document_frequency > less.n
"""

TAKE_OVER = """
update knowledge_indexeddocument set state = 'live', is_due = false, content_hash = %(content_hash)s, failure = '',
    failure_code = '', attempts = 0, next_attempt_at = null, lease_token = null, lease_expires_at = null,
    chunk_count = %(chunk_count)s, language = %(language)s, indexed_at = %(at)s where id = %(id)s
"""

# What other generations hold of a document that says something new by now must follow.
FOLLOW = """
update knowledge_indexeddocument e set is_due = true, attempts = 0, next_attempt_at = null, lease_token = null,
    lease_expires_at = null
from knowledge_document d
where d.id = e.document_id and d.id = %(id)s and e.index_id <> %(index)s and e.state <> 'excluded'
    and (d.text, d.title) is distinct from (%(text)s, %(title)s)
"""

DESCRIBE = """
update knowledge_document
set title = %(title)s, text = %(text)s, page_starts = %(page_starts)s, language = %(language)s,
    content_hash = %(content_hash)s, media_type = %(media_type)s, file = %(file)s, file_hash = %(file_hash)s,
    file_bytes = %(file_bytes)s, fetched_version = %(fetched_version)s, incoming_text = null, changed_at = %(at)s
where id = %(id)s
"""


@dataclass(frozen=True)
class ChunkRow:
    """A chunk before it has an id; `words` is what is searched, in the text-search `configuration`."""

    position: int
    heading: str
    page: int | None
    text: str
    start: int
    end: int
    vector_key: bytes
    configuration: str
    words: str
    token_count: int
    embedding: Any


@dataclass(frozen=True)
class Replacement:
    """A document's new columns and chunks, and the ledger entry under whose lease they were made.

    Without columns the document stays as it is: its text was cut again for another generation.
    """

    entry: IndexedDocument
    columns: dict[str, Any]
    content_hash: str
    rows: list[ChunkRow]
    at: datetime
    language: str = ""


@transaction.atomic
def replace(index: KnowledgeIndex, batch: Sequence[Replacement], *, token: UUID) -> int:
    """Replace the chunks of these documents in one transaction; returns how many were still ours to write.

    A document that was deleted, or whose lease another step holds by now, is left alone.
    """
    old_files = _lock(batch)
    ours = set(
        IndexedDocument.objects.filter(pk__in=[item.entry.pk for item in batch], lease_token=token)
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )
    batch = [item for item in batch if item.entry.pk in ours and _has_its_file(item, old_files)]
    if not batch:
        return 0
    documents = [item.entry.document_id for item in batch]
    # The row of the generation is the lock of its words.
    KnowledgeIndex.objects.select_for_update(no_key=True).get(pk=index.pk)
    _write_chunks(index.pk, batch, documents=documents)
    files = {item.entry.document_id: item.columns["file"] for item in batch if item.columns}
    replaced = [name for document, name in old_files.items() if files.get(document, name) != name]
    transaction.on_commit(partial(originals.discard, replaced))
    return len(batch)


def _has_its_file(item: Replacement, old_files: Mapping[UUID, str]) -> bool:
    """Whether the file that was kept for it is still there; otherwise the document stays due, and is fetched again."""
    name = item.columns.get("file", "")
    return name in ("", old_files[item.entry.document_id]) or originals.is_kept(name, size=item.columns["file_bytes"])


def _lock(batch: Sequence[Replacement]) -> dict[UUID, str]:
    """Documents first, then the ledger, then the generation: the order in which deletion locks them too.

    Locks without the key leave others free to refer to a row, which PostgreSQL checks when they commit.
    """
    ids = [item.entry.document_id for item in batch]
    rows = Document.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
    return dict(rows.values_list("pk", "file"))


def _write_chunks(index: int, batch: Sequence[Replacement], *, documents: list[UUID]) -> None:
    where: dict[str, Any] = {"index": index, "documents": documents}
    with connection.cursor() as cursor:
        cursor.execute(STAGING)
        cursor.execute(NOTE_WORDS, {**where, "sign": -1})
        cursor.execute(COUNT, {**where, "sign": -1})
        cursor.execute(
            "delete from knowledge_chunk where index_id = %(index)s and document_id = any(%(documents)s)", where
        )
        with connection.wrap_database_errors, cursor.copy(COPY) as copy:
            for item in batch:
                for row in item.rows:
                    copy.write_row(_staged(item.entry.document_id, row))
        cursor.execute(INSERT, where)
        cursor.execute(COUNT, {**where, "sign": 1})
        cursor.execute(NOTE_WORDS, {**where, "sign": 1})
        cursor.execute(ADD_WORDS, where)
        cursor.execute(TAKE_WORDS, where)
        described = [_described(index, item) for item in batch if item.columns]
        cursor.executemany(FOLLOW, described)
        cursor.executemany(DESCRIBE, described)
        cursor.executemany(TAKE_OVER, [_ledger_entry(item) for item in batch])


def _described(index: int, item: Replacement) -> dict[str, Any]:
    return {**item.columns, "id": item.entry.document_id, "index": index, "at": item.at}


def _ledger_entry(item: Replacement) -> dict[str, Any]:
    return {
        "id": item.entry.pk,
        "content_hash": item.content_hash,
        "chunk_count": len(item.rows),
        "language": item.language,
        "at": item.at,
    }


def _staged(document: UUID, row: ChunkRow) -> tuple[Any, ...]:
    vector = f"[{','.join(format(float(value), '.5g') for value in row.embedding)}]"
    return (
        document,
        row.position,
        row.heading,
        row.page,
        row.text,
        row.start,
        row.end,
        row.vector_key,
        row.configuration,
        row.words,
        row.token_count,
        vector,
    )
