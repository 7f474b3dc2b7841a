"""Gives large generations their HNSW index and takes it from retired ones; the exact scan serves in the meantime."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.db import DatabaseError, connection
from django.db.models import Q
from psycopg import sql

from knowledge import vectors
from knowledge.models import KnowledgeIndex, SyncRun
from knowledge.stores import pgvector

log = structlog.get_logger(__name__)

# Up to here the exact scan takes 10 ms, and every comparison counts; an index would save little.
MIN_CHUNKS = 10_000
# A generation that shrinks loses its index only when it is clearly small, so that it does not come and go.
TOO_FEW_CHUNKS = MIN_CHUNKS // 2
# A run that fills a source takes two thirds of the CPU without the index, and to make it afterwards costs less than to
# keep it up. Beyond so many chunks the exact scan is too slow to wait for the end.
MOST_WHILE_FILLED = 50_000
# Any number will do, as long as nobody else uses it.
LOCK = 6_248_002
BUILD_MEMORY_KB = 512 * 1024

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 3_600.0
# How often in a row each index could not be built, and when it may be tried again; one process does all of it.
_failures: dict[tuple[str, int], tuple[int, float]] = {}

FOUND = r"""
select c.relname, i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid
where i.indrelid = 'knowledge_chunk'::regclass and c.relname like 'chunk\_embedding\_hnsw\_%'
"""


def maintain() -> int:
    """Build what is missing, build again what is invalid, drop what serves nobody; returns how many were touched.

    One index at a time on the whole installation: another process that is at it already makes this return 0.
    """
    with alone(LOCK) as is_alone:
        if not is_alone:
            return 0
        return sum([_drop_superfluous(), *(_build(index) for index in list(_wanted()))])


def is_awaited(index: KnowledgeIndex) -> bool:
    """Whether a generation is so large that it needs its vector index, and has none yet."""
    if index.chunk_count < MIN_CHUNKS:
        return False
    return not (_existing().get(index.hnsw_name, False) or vectors.has_copy(index.pk))


def drop(index: KnowledgeIndex) -> None:
    """Drop the vector index of a generation that goes; while something is being built, the next look does it."""
    with alone(LOCK) as is_alone:
        if is_alone and index.hnsw_name in _existing():
            _execute(pgvector.drop_index(index.hnsw_name), event="hnsw_dropped", index=index.hnsw_name)


@contextmanager
def alone(lock: int) -> Iterator[bool]:
    """Whether no other process of the installation is at it."""
    (is_alone,) = _row("select pg_try_advisory_lock(%s)", [lock])
    try:
        yield is_alone
    finally:
        if is_alone:
            _row("select pg_advisory_unlock(%s)", [lock])


def in_use() -> list[KnowledgeIndex]:
    """Those that may keep theirs: one that was replaced as long as it stays itself, so that an undo is immediate."""
    found = KnowledgeIndex.objects.exclude(status=KnowledgeIndex.Status.RETIRED, live_at=None)
    return [index for index in found if index.chunk_count >= TOO_FEW_CHUNKS]


def large() -> list[KnowledgeIndex]:
    """Those that need one: live ones first; one that is built beside them when it is complete, before it serves."""
    unfinished = Q(status=KnowledgeIndex.Status.BUILDING, ready_at=None, live_at=None)
    found = KnowledgeIndex.objects.current().exclude(unfinished).filter(chunk_count__gte=MIN_CHUNKS)
    return sorted(found, key=lambda index: (index.status != KnowledgeIndex.Status.LIVE, index.chunk_count))


def _drop_superfluous() -> int:
    names = {index.hnsw_name for index in in_use() if not vectors.has_copy(index.pk)}
    dropped = 0
    for name, is_valid in _existing().items():
        # An invalid one is what a build left that was broken off; while it exists, every write keeps it up.
        if name not in names or not is_valid:
            dropped += _execute(pgvector.drop_index(name), event="hnsw_dropped", index=name)
    return dropped


def _wanted() -> Iterator[KnowledgeIndex]:
    if vectors.is_external():
        # Another store finds the nearest; the indexes that are there serve until it can.
        return
    existing = _existing()
    yield from (index for index in large() if index.hnsw_name not in existing and not _is_being_filled(index))


def _is_being_filled(index: KnowledgeIndex) -> bool:
    """Whether a run that is at work has written most of it; one that changes a little keeps nobody from an index."""
    if index.chunk_count >= MOST_WHILE_FILLED:
        return False
    at_work = (SyncRun.Status.LISTING, SyncRun.Status.INDEXING)
    runs = index.source.runs.filter(status__in=at_work, resumes_at=None)
    return runs.filter(chunks_embedded__gte=index.chunk_count // 2).exists()


def _build(index: KnowledgeIndex) -> int:
    """One that fails takes minutes to do so: each time in a row it waits twice as long for its next chance."""
    of = (index.hnsw_name, index.dimensions)
    failures, not_before = _failures.get(of, (0, 0.0))
    if time.monotonic() < not_before:
        return 0
    built = _try_to_build(index)
    if built:
        _failures.pop(of, None)
    else:
        pause = min(FIRST_PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS)
        _failures[of] = (failures + 1, time.monotonic() + pause)
    return built


def _try_to_build(index: KnowledgeIndex) -> int:
    _row("select set_config('maintenance_work_mem', %s, false)", [_build_memory()])
    statement = pgvector.create_index(index.hnsw_name, index_id=index.pk, dimensions=index.dimensions)
    return _execute(statement, event="hnsw_built", index=index.hnsw_name, chunks=index.chunk_count)


def _build_memory() -> str:
    """A graph that does not fit in memory is built many times slower; an operator who allows more is obeyed."""
    (allowed,) = _row("select setting::bigint from pg_settings where name = 'maintenance_work_mem'", [])
    return f"{max(int(allowed), BUILD_MEMORY_KB)}kB"


def _existing() -> dict[str, bool]:
    """The HNSW indexes by name, and whether each is valid."""
    with connection.cursor() as cursor:
        cursor.execute(FOUND)
        return dict(cursor.fetchall())


def _execute(statement: sql.Composed, *, event: str, **details: Any) -> int:
    """One index that cannot be built must not keep the others from being built."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        log.error("hnsw_failed", wanted=event, error=str(error), **details)
        return 0
    log.info(event, **details)
    return 1


def _row(statement: str, parameters: list[Any]) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row: tuple[Any, ...] = cursor.fetchone()
        return row
