"""Writes the chunks of a batch of documents: COPY to a staging table, then replace, count, and keep the words."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q

from knowledge import originals
from knowledge.models import Document, IndexedDocument, KnowledgeIndex
from magnet.database import one_transaction

STAGING = """
create temporary table if not exists chunk_staging (
    document_id uuid, position int, heading text, page int, text text, start int, "end" int, vector_key bytea,
    configuration text, words text, token_count int, embedding halfvec, context text
) on commit delete rows;
create temporary table if not exists word_delta (lexeme text, n int) on commit delete rows;
"""

COPY = """
copy chunk_staging (document_id, position, heading, page, text, start, "end", vector_key, configuration, words,
    token_count, embedding, context) from stdin (format binary)
"""
# In binary nothing is converted, so these must be the types of the columns; a halfvec comes as its bytes.
TYPES = ["uuid", "int4", "text", "int4", "text", "int4", "int4", "bytea", "text", "text", "int4", "bytea", "text"]

# The lateral `offset 0` keeps the planner from computing to_tsvector once for each column that uses it.
INSERT = """
insert into knowledge_chunk (index_id, document_id, position, heading, page, text, start, "end", vector_key,
    lexemes, lexeme_count, token_count, embedding, context, is_disabled)
select %(index)s, s.document_id, s.position, s.heading, s.page, s.text, s.start, s."end", s.vector_key,
    v.lexemes, length.n, s.token_count, s.embedding, s.context, exists (
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
update knowledge_indexeddocument e set state = 'live', is_due = false, content_hash = n.content_hash, failure = '',
    failure_code = '', attempts = 0, next_attempt_at = null, lease_token = null, lease_expires_at = null,
    chunk_count = n.chunk_count, language = n.language, indexed_at = %(at)s
from unnest(%(id)s::bigint[], %(content_hash)s::text[], %(chunk_count)s::int[], %(language)s::text[])
    as n(id, content_hash, chunk_count, language)
where e.id = n.id
"""

# What other generations hold of a document that says something new by now must follow; both parts see the old text.
DESCRIBE = """
with n as (
    select * from unnest(%(id)s::uuid[], %(title)s::text[], %(text)s::text[], %(page_starts)s::text[],
        %(language)s::text[], %(content_hash)s::text[], %(media_type)s::text[], %(file)s::text[],
        %(file_hash)s::text[], %(file_bytes)s::bigint[], %(fetched_version)s::text[])
    as n(id, title, text, page_starts, language, content_hash, media_type, file, file_hash, file_bytes, fetched_version)
), follow as (
    update knowledge_indexeddocument e set is_due = true, attempts = 0, next_attempt_at = null, lease_token = null,
        lease_expires_at = null
    from knowledge_document d join n using (id)
    where d.id = e.document_id and e.index_id <> %(index)s and e.state <> 'excluded'
        and (d.text, d.title) is distinct from (n.text, n.title)
)
update knowledge_document d
set title = n.title, text = n.text, page_starts = n.page_starts::int[], language = n.language,
    content_hash = n.content_hash, media_type = n.media_type, file = n.file, file_hash = n.file_hash,
    file_bytes = n.file_bytes, fetched_version = n.fetched_version, incoming_text = null, changed_at = %(at)s
from n where d.id = n.id
"""
DESCRIBED = (
    "title", "text", "page_starts", "language", "content_hash", "media_type", "file", "file_hash", "file_bytes",
    "fetched_version",
)  # fmt: skip


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
    context: str = ""


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


@one_transaction
def replace(index: KnowledgeIndex, batch: Sequence[Replacement], *, token: UUID) -> int:
    """Replace the chunks of these documents in one transaction; returns how many were still ours to write.

    A document that was deleted, or whose lease another step holds by now, is left alone.
    """
    old_files = _lock(batch)
    ours = _hold_entries(batch, token=token)
    batch = _with_their_files([item for item in batch if item.entry.pk in ours], old_files)
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


def _with_their_files(batch: Sequence[Replacement], old_files: Mapping[UUID, str]) -> list[Replacement]:
    """Those whose kept file is still there; another document stays due, and is fetched again."""
    sizes = {
        item.columns["file"]: item.columns["file_bytes"]
        for item in batch
        if item.columns.get("file", "") not in ("", old_files[item.entry.document_id])
    }
    lost = sizes.keys() - originals.kept(sizes)
    return [item for item in batch if item.columns.get("file") not in lost]


def _lock(batch: Sequence[Replacement]) -> dict[UUID, str]:
    """Documents first, then the ledger, then the generation: the order in which deletion locks them too.

    Locks without the key leave others free to refer to a row, which PostgreSQL checks when they commit.
    """
    ids = [item.entry.document_id for item in batch]
    rows = Document.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
    return dict(rows.values_list("pk", "file"))


def _hold_entries(batch: Sequence[Replacement], *, token: UUID) -> set[int]:
    """Which entries are still ours. Those of other generations that may have to follow are held with them, in order."""
    own = [item.entry.pk for item in batch]
    changing = [item.entry.document_id for item in batch if item.columns]
    entries = IndexedDocument.objects.filter(Q(pk__in=own) | Q(document__in=changing)).order_by("pk")
    held = dict(entries.select_for_update(no_key=True).values_list("pk", "lease_token"))
    return {pk for pk in own if held.get(pk) == token}


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
            copy.set_types(TYPES)
            for item in batch:
                for row in item.rows:
                    copy.write_row(_staged(item.entry.document_id, row))
        cursor.execute(INSERT, where)
        cursor.execute(COUNT, {**where, "sign": 1})
        cursor.execute(NOTE_WORDS, {**where, "sign": 1})
        cursor.execute(ADD_WORDS, where)
        cursor.execute(TAKE_WORDS, where)
        _describe(cursor, index, [item for item in batch if item.columns])
        cursor.execute(TAKE_OVER, _entries(batch))


def _describe(cursor: CursorWrapper, index: int, batch: Sequence[Replacement]) -> None:
    if not batch:
        return
    columns: dict[str, Any] = {name: [item.columns[name] for item in batch] for name in DESCRIBED}
    # An array of arrays would have to be a rectangle.
    columns["page_starts"] = [f"{{{','.join(map(str, starts))}}}" for starts in columns["page_starts"]]
    ids = [item.entry.document_id for item in batch]
    cursor.execute(DESCRIBE, {**columns, "id": ids, "index": index, "at": batch[0].at})


def _entries(batch: Sequence[Replacement]) -> dict[str, Any]:
    return {
        "id": [item.entry.pk for item in batch],
        "content_hash": [item.content_hash for item in batch],
        "chunk_count": [len(item.rows) for item in batch],
        "language": [item.language for item in batch],
        "at": batch[0].at,
    }


def _halfvec(numbers: Any) -> bytes:
    """As PostgreSQL receives it: how many, nothing, and the numbers in two bytes each. Five times as fast as text."""
    import numpy as np

    with np.errstate(over="ignore"):  # PostgreSQL refuses what is infinite by then.
        halves = np.asarray(numbers, np.float32).astype(">f2")
    return struct.pack(">HH", len(halves), 0) + halves.tobytes()


def _staged(document: UUID, row: ChunkRow) -> tuple[Any, ...]:
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
        _halfvec(row.embedding),
        row.context,
    )
