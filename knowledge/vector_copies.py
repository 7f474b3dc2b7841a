"""Keeps copies of vectors in the store beside PostgreSQL: fills them, follows the outbox, and mends what is amiss.

What is true of a chunk stands in its row. The outbox only says which chunks to look at again, so that doing it twice,
or in another order, ends in the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from psycopg import sql

from knowledge import hnsw, vectors
from knowledge.models import Chunk, KnowledgeIndex, VectorChange, VectorCopy
from knowledge.stores.base import VectorRow

log = structlog.get_logger(__name__)

# Any number will do, as long as nobody else uses it.
LOCK = 6_248_003
AT_ONCE = 1_000
TRIGGERS = ("vectors_added", "vectors_changed", "vectors_removed")
ENABLED = "select bool_or(tgenabled <> 'D') from pg_trigger where tgname = any(%s)"


@dataclass(frozen=True)
class Difference:
    """One copy compared with PostgreSQL: what the store held, what it lacked, and what was only there."""

    index_id: int
    held: int
    lacking: int
    superfluous: int


def maintain() -> int:
    """Follow the outbox, fill what is not filled, drop what nobody needs; returns how many vectors were looked at.

    One process of the whole installation at a time. Raises VectorStoreUnavailable; the next look goes on from there.
    """
    with hnsw.alone(LOCK) as is_alone:
        if not is_alone:
            return 0
        _switch_triggers(on=True)
        _drop_superfluous()
        _open_wanted()
        _notice_lost()
        return follow() + sum(_fill(copy) for copy in _copies().filter(filled_at=None).order_by("index_id"))


def rebuild() -> None:
    """Have every copy made anew by the next look."""
    VectorCopy.objects.update(filled_to=0, filled_at=None)


def switch_off() -> None:
    """Vectors are searched in PostgreSQL again: changes are not noted any more."""
    if VectorCopy.objects.exists() or VectorChange.objects.exists():
        VectorCopy.objects.all().delete()
        VectorChange.objects.all().delete()
    _switch_triggers(on=False)


# -- Following ---------------------------------------------------------------------------------------------------------


def follow() -> int:
    """Bring the store up to what the outbox has noted; returns how many chunks were looked at."""
    looked_at = 0
    # What is filled from its beginning reads the newest rows anyway, and may have no collection yet.
    begun = _copies().exclude(filled_to=0, filled_at=None)
    while noted := list(VectorChange.objects.order_by("id").values_list("id", "index_id", "chunk_id")[:AT_ONCE]):
        copied = set(begun.all().values_list("index_id", flat=True))
        for index_id in sorted({index for _id, index, _chunk in noted} & copied):
            bring_up(index_id, {chunk for _id, index, chunk in noted if index == index_id})
        # Only now: if this process dies before, the next one does it again.
        VectorChange.objects.filter(id__in=[change for change, _index, _chunk in noted]).delete()
        looked_at += len(noted)
    return looked_at


def bring_up(index_id: int, chunks: Iterable[int]) -> None:
    """Make the store say of these chunks what their rows say."""
    wanted = set(chunks)
    store, name = vectors.store(), vectors.collection(index_id)
    rows = _rows(index_id, Q(pk__in=wanted))
    gone = sorted(wanted - {chunk for chunk, _vector in rows})
    if gone:
        store.remove(name, gone)
    store.add(name, rows)


def _rows(index_id: int, which: Q, *, limit: int | None = None) -> list[VectorRow]:
    """Vectors as they stand in PostgreSQL; one of zeros has no direction, and some stores refuse it."""
    found = Chunk.objects.filter(which, index_id=index_id).exclude(embedding=None).order_by("pk")
    return [(chunk, vector) for chunk, vector in found.values_list("pk", "embedding")[:limit] if any(vector)]


# -- Copies come and go ------------------------------------------------------------------------------------------------


def _copies() -> Any:
    return VectorCopy.objects.at(settings.VECTOR_DB_TYPE, settings.VECTOR_DB_URL)


def _open_wanted() -> None:
    """What is written from here on is noted: whoever writes chunks holds the row of their generation."""
    opened = set(_copies().values_list("index_id", flat=True))
    for index in hnsw.large():
        if index.pk in opened:
            continue
        with transaction.atomic():
            if KnowledgeIndex.objects.select_for_update(no_key=True).filter(pk=index.pk).first():
                at = {"kind": settings.VECTOR_DB_TYPE, "url": settings.VECTOR_DB_URL}
                VectorCopy.objects.update_or_create(
                    index_id=index.pk, defaults={**at, "filled_to": 0, "filled_at": None}
                )


def _drop_superfluous() -> None:
    kept = {index.pk for index in hnsw.in_use()}
    for copy in _copies().exclude(index_id__in=kept):
        vectors.store().drop(vectors.collection(copy.index_id))
        copy.delete()
        log.info("vectors_dropped", index=copy.index_id)


def _notice_lost() -> None:
    """A store that was emptied, or restored to an earlier day without a collection, is filled again."""
    names = vectors.store().names()
    for copy in _copies().exclude(filled_at=None):
        if vectors.collection(copy.index_id) not in names:
            log.warning("vectors_lost", index=copy.index_id)
            VectorCopy.objects.filter(pk=copy.pk).update(filled_to=0, filled_at=None)


def _fill(copy: VectorCopy) -> int:
    """Copy a generation from where the last attempt ended; in between, what is new elsewhere does not wait."""
    store, name = vectors.store(), vectors.collection(copy.index_id)
    dimensions = KnowledgeIndex.objects.values_list("dimensions", flat=True).get(pk=copy.index_id)
    if copy.filled_to == 0:
        store.drop(name)
        store.create(name, dimensions=dimensions)
    copied = 0
    while chunks := _next_chunks(copy):
        rows = _rows(copy.index_id, Q(pk__in=chunks))
        store.add(name, rows)
        copy.note(filled_to=chunks[-1])
        copied += len(rows)
        follow()
    copy.complete()
    log.info("vectors_copied", index=copy.index_id, vectors=copied)
    return copied


def _next_chunks(copy: VectorCopy) -> list[int]:
    rest = Chunk.objects.filter(index_id=copy.index_id, pk__gt=copy.filled_to).order_by("pk")
    return list(rest.values_list("pk", flat=True)[:AT_ONCE])


# -- Looking for what is amiss -----------------------------------------------------------------------------------------


def compare(*, mend: bool) -> list[Difference]:
    """Compare every filled copy with PostgreSQL, chunk by chunk; what differs is looked at again, and so mended."""
    with hnsw.alone(LOCK) as is_alone:
        if not is_alone:
            return []
        follow()
        return [_compare(copy.index_id, mend=mend) for copy in _copies().exclude(filled_at=None).order_by("index_id")]


def _compare(index_id: int, *, mend: bool) -> Difference:
    held = {chunk for batch in vectors.store().chunks(vectors.collection(index_id)) for chunk in batch}
    there = Chunk.objects.filter(index_id=index_id).exclude(embedding=None)
    right = set(there.values_list("pk", flat=True).iterator(chunk_size=10_000))
    amiss = sorted(held ^ right)
    difference = Difference(index_id, len(held), len(right - held), len(held - right))
    for start in range(0, len(amiss) if mend else 0, AT_ONCE):
        bring_up(index_id, amiss[start : start + AT_ONCE])
    if amiss:
        log.warning("vectors_differed", index=index_id, lacking=difference.lacking, superfluous=difference.superfluous)
    return difference


# -- The outbox --------------------------------------------------------------------------------------------------------


def _switch_triggers(*, on: bool) -> None:
    """Taking no part in what is written costs nothing; switching waits a moment for those who write."""
    with connection.cursor() as cursor:
        cursor.execute(ENABLED, [list(TRIGGERS)])
        if bool(cursor.fetchone()[0]) == on:
            return
        verb = sql.SQL("enable trigger " if on else "disable trigger ")
        parts = sql.SQL(", ").join(verb + sql.Identifier(name) for name in TRIGGERS)
        with transaction.atomic():
            # Nobody should queue up behind us for long, and the next look comes soon.
            cursor.execute("set local lock_timeout = '5s'")
            cursor.execute(sql.SQL("alter table knowledge_chunk ") + parts)
