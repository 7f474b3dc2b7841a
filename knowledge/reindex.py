"""Re-indexing beside the live index: another generation is built from stored texts, compared, switched to, undone.

The live generation serves, and keeps its settings, until the other one holds everything. Whatever changes meanwhile is
due in both; the generation that was replaced stays for a while, so that a switch can be undone.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from knowledge import forecast, hnsw, ledger, stepping, succession, sync
from knowledge.indexing import Outcome, documents_at_once, index_documents
from knowledge.models import KnowledgeIndex, KnowledgeSource, SyncRun
from knowledge.models.leases import LeaseLost
from knowledge.stepping import DOCUMENTS_AT_ONCE, STEP_SECONDS, spent
from magnet import queue
from magnet.callers import current_caller
from magnet.database import one_transaction
from magnet.errors import Conflict, MagnetError, NotFound, ProviderError, ProviderRefusedKey, StorageFull
from magnet.models import AuditEntry

log = structlog.get_logger(__name__)

Status = KnowledgeIndex.Status

STEP = "knowledge.jobs.reindex_step"


# -- What a person does ------------------------------------------------------------------------------------------------


@one_transaction
def start(source: KnowledgeSource) -> KnowledgeIndex:
    """Build a generation with the source's present settings beside the live one. Raises Conflict, NotConfigured."""
    source = KnowledgeSource.objects.select_related("embedding_model__provider").hold(source.pk)
    live = _live_of(source)
    if (building := source.building_index) is not None:
        raise Conflict(f"“{source.name}” has a generation under construction already, #{building.number}.")
    if not ledger.wants_another(source, live):
        raise Conflict(f"The settings of “{source.name}” serve already. Change one of them first.")
    index = ledger.new_index(
        source,
        actor_label=current_caller().label,
        to_do=source.documents.count(),
        forecast=forecast.of_reindex(source, live).as_json(),
    )
    AuditEntry.record("started a re-index of", source, generation=index.number, model=source.embedding_model.slug)
    enqueue_step(index)
    return index


@one_transaction
def pause(index: KnowledgeIndex) -> KnowledgeIndex:
    """Stop for a while; a step at work notices at its next write."""
    index = _held(index, wanted="pause")
    _stop(index, is_paused=True, error="", resumes_at=None)
    AuditEntry.record("paused", index)
    return index


@one_transaction
def resume(index: KnowledgeIndex) -> KnowledgeIndex:
    """Go on after a pause or a failure."""
    index = _held(index, wanted="resume")
    KnowledgeIndex.objects.filter(pk=index.pk).update(is_paused=False, error="", resumes_at=None)
    AuditEntry.record("resumed", index)
    enqueue_step(index)
    index.refresh_from_db()
    return index


@one_transaction
def cancel(index: KnowledgeIndex) -> KnowledgeIndex:
    """Give the building up. A new generation is removed; one that was to serve again is kept as before."""
    index = _held(index, wanted="cancel")
    _stop(index, status=Status.RETIRED, is_paused=False, error="", resumes_at=None, switches_when_ready=False)
    AuditEntry.record("cancelled", index)
    if not index.has_served:
        queue.enqueue("knowledge.jobs.remove_index", index.pk, cluster="bulk")
    return index


def switch(index: KnowledgeIndex) -> KnowledgeIndex:
    """Let a built generation serve: at once, or in a moment when a document has just changed. Raises Conflict."""
    return _switch_when_ready(_wanted(index))


@one_transaction
def _wanted(index: KnowledgeIndex) -> KnowledgeIndex:
    index = _held(index, wanted="switch to")
    if index.ready_at is None or index.is_paused:
        raise Conflict(f"“{index}” is not built yet: {index.done:,} of {index.to_do:,} documents are done.")
    if hnsw.is_awaited(index):
        raise Conflict(f"The vector index of “{index}” is being built. Without it searches would be slow; wait for it.")
    AuditEntry.record("switched to", index)
    KnowledgeIndex.objects.filter(pk=index.pk).update(switches_when_ready=True)
    return index


def undo(index: KnowledgeIndex) -> KnowledgeIndex:
    """Let the generation that `index` has replaced serve again, once it has caught up. Raises Conflict."""
    return _switch_when_ready(_wanted_back(index))


@one_transaction
def _wanted_back(index: KnowledgeIndex) -> KnowledgeIndex:
    source = KnowledgeSource.objects.hold(index.source_id)
    old = undoable(source)
    if source.live_index != index or old is None:
        raise Conflict(f"There is nothing to undo: no generation before “{index}” is kept any more.")
    if source.building_index is not None:
        raise Conflict(f"“{source.name}” has a generation under construction. Cancel it first, or switch to it.")
    fresh: dict[str, Any] = {"done": 0, "to_do": 0, "work_seconds": 0, "heartbeat_at": None, "ready_at": None}
    fresh |= {"is_paused": False, "error": "", "resumes_at": None, "switches_when_ready": True}
    KnowledgeIndex.objects.filter(pk=old.pk).update(status=Status.BUILDING, **fresh)
    AuditEntry.record("undid the switch to", index, back_to=old.number)
    return old


def undoable(source: KnowledgeSource) -> KnowledgeIndex | None:
    """The generation that served before, while it is kept."""
    old: KnowledgeIndex | None = source.indexes.filter(status=Status.RETIRED).replaced().first()
    return old if old is not None and old.retired_at is not None and undo_until(old) > timezone.now() else None


def undo_until(index: KnowledgeIndex) -> datetime:
    """Until when a replaced generation is kept."""
    return (index.retired_at or timezone.now()) + timedelta(days=settings.UNDO_DAYS)


def _live_of(source: KnowledgeSource) -> KnowledgeIndex:
    live = source.live_index
    if live is None or not live.ledger.exists():
        raise Conflict(f"Nothing of “{source.name}” is indexed yet, so its settings count from the first document on.")
    return live


def _held(index: KnowledgeIndex, *, wanted: str) -> KnowledgeIndex:
    """The generation under construction, with its source locked. Raises Conflict for any other."""
    KnowledgeSource.objects.hold(index.source_id)
    held: KnowledgeIndex = KnowledgeIndex.objects.for_use().select_related("source").get(pk=index.pk)
    if held.status != Status.BUILDING:
        raise Conflict(f"You cannot {wanted} “{held}”: it is not under construction, but {held.stage}.")
    return held


def _stop(index: KnowledgeIndex, **changes: Any) -> None:
    if index.lease_token:
        ledger.release(index.lease_token)
    KnowledgeIndex.objects.filter(pk=index.pk).update(lease_token=None, **changes)
    index.refresh_from_db()


def _switch_when_ready(index: KnowledgeIndex) -> KnowledgeIndex:
    """In a transaction of its own, because the ledger is locked before the generations; the clock mends a gap."""
    if not _take_over(index):
        enqueue_step(index)
    index.refresh_from_db()
    return index


# -- Work --------------------------------------------------------------------------------------------------------------


def enqueue_step(index: KnowledgeIndex) -> None:
    queue.enqueue(STEP, index.pk, cluster="bulk")


def is_queued(index: KnowledgeIndex, *, or_held: bool = False) -> bool:
    """Whether a step waits for a free worker; or, with `or_held`, is with one that has not begun."""
    return queue.is_waiting(STEP, index.pk, cluster="bulk", or_held=or_held and index.lease_token is None)


def wake(source_id: int | None = None) -> int:
    """Go on with what has something to do and no worker: after a sync, and once a minute; returns how many."""
    waiting = KnowledgeIndex.workable().filter(lease_token=None) if source_id else KnowledgeIndex.abandoned()
    if source_id:
        waiting = waiting.filter(source=source_id)
    idle = [index for index in waiting.select_related("source") if _has_work(index)]
    woken = [index for index in idle if not is_queued(index, or_held=not source_id)]
    for index in woken:
        enqueue_step(index)
    return len(woken)


def run_to_end(index: KnowledgeIndex) -> KnowledgeIndex:
    """Carry the building to its end in this process (command line, tests)."""
    while step(index.pk):
        continue
    index.refresh_from_db()
    return index


def step(index_id: int) -> bool:
    """Carry a generation forward for a while; True when another step is needed."""
    index: KnowledgeIndex = KnowledgeIndex.objects.select_related("source").get(pk=index_id)
    return stepping.carry(
        index,
        feature="reindex",
        summary=f"Re-index {index.source.name}",
        advance=lambda token: _advance(index, token=token),
        stop=lambda error, token: _hold_up(index, error, token=token),
        crashed="The re-index stopped with an internal error. The log names it; resume it to try again.",
    )


def _advance(row: KnowledgeIndex, *, token: UUID) -> bool:
    """`row` shows life and progress; `index` has its model loaded, and stays as it is."""
    index: KnowledgeIndex = KnowledgeIndex.objects.for_use().get(pk=row.pk)
    live = _live_of(row.source)
    succession.add_missing(index)
    succession.follow_failures(index, live)
    row.note(token, to_do=row.done + _work(index, live).count())
    deadline = time.monotonic() + STEP_SECONDS
    limit = documents_at_once(index, most=DOCUMENTS_AT_ONCE)
    while True:
        began = time.monotonic()
        entries = ledger.claim(index, token=token, limit=limit, only=_ready_for(index, live))
        if not entries:
            return not _finish(row, token=token)
        outcome = Outcome()
        try:
            index_documents(index, entries, connector=None, token=token, outcome=outcome)
        finally:
            # Also where it stops half-way: what was bought until then is paid for.
            seconds = time.monotonic() - began
            row.note(token, error="", work_seconds=F("work_seconds") + seconds, **spent(outcome))
        if time.monotonic() > deadline:
            return True


def _ready_for(index: KnowledgeIndex, live: KnowledgeIndex) -> Q:
    """Documents that the live generation does not work on: the text that is stored is the one that serves.

    Before a switch nothing that serves may be missing, however long the live generation has still to wait for more.
    """
    now = timezone.now()
    at_work = live.ledger.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now), document=OuterRef("document"), is_due=True
    )
    if not index.switches_when_ready:
        return ~Q(Exists(at_work))
    serving = live.ledger.filter(document=OuterRef("document")).exclude(indexed_at=None)
    return ~Q(Exists(at_work)) | Q(Exists(serving), indexed_at=None)


def _work(index: KnowledgeIndex, live: KnowledgeIndex) -> Any:
    return ledger.due(index).filter(_ready_for(index, live))


def _hold_up(index: KnowledgeIndex, error: MagnetError, *, token: UUID) -> None:
    """It waits for a provider or a disk, and goes on by itself; anything else waits for a person."""
    is_passing = isinstance(error, ProviderError | StorageFull) and not isinstance(error, ProviderRefusedKey)
    log.warning("reindex_held_up", index=index.pk, reason=error.detail, is_passing=is_passing)
    with stepping.giving_way(index):
        if is_passing:
            index.rest(token, error=error.detail, at_least_seconds=error.retry_after_seconds or 0)
        else:
            index.note(token, error=error.detail, is_paused=True)


def _finish(row: KnowledgeIndex, *, token: UUID) -> bool:
    """Nothing is left to do: it is ready, and serves when somebody has said so. False when something has come up."""
    return _is_ready(row, token=token) and (not row.switches_when_ready or _take_over(row, token=token))


@transaction.atomic
def _is_ready(row: KnowledgeIndex, *, token: UUID) -> bool:
    KnowledgeSource.objects.hold(row.source_id)
    row.note(token, error="")
    if _has_work(row):
        return False
    row.note(token, ready_at=row.ready_at or timezone.now(), to_do=row.done)
    log.info("reindex_ready", source=row.source.slug, index=row.pk)
    return True


def _has_work(index: KnowledgeIndex) -> bool:
    live = index.source.live_index
    if live is None:
        return False
    is_incomplete: bool = index.source.documents.exclude(ledger__index=index).exists()
    return is_incomplete or _work(index, live).exists() or (index.switches_when_ready and index.lease_token is None)


@one_transaction
def _take_over(index: KnowledgeIndex, *, token: UUID | None = None) -> bool:
    """The one moment of a switch: the old generation retires, the other one serves. False when work has come up."""
    # With its key: whoever has just inserted a document of this source is waited for, and is seen below.
    source = KnowledgeSource.objects.select_for_update(of=("self",)).get(pk=index.source_id)
    live = _live_of(source)
    index.refresh_from_db()
    if token is not None and index.lease_token != token:
        raise LeaseLost
    if index.status != Status.BUILDING or index.is_paused:
        # Somebody was quicker.
        return bool(index.status == Status.LIVE)
    succession.add_missing(index)
    if _work(index, live).exists():
        return False
    succession.replace_live(live, by=index)
    if ledger.due(index).exists() and not source.runs.unfinished().exists():
        sync.start(source, trigger=SyncRun.RETRY)
    log.info("generation_switched", source=source.slug, old=live.number, new=index.number)
    return True


# -- Removing ----------------------------------------------------------------------------------------------------------


def sweep() -> int:
    """Remove the generations that nobody can go back to; returns how many."""
    retired = KnowledgeIndex.objects.filter(status=Status.RETIRED).select_related("source")
    gone = [index for index in retired if undoable(index.source) != index]
    removed = 0
    for index in gone:
        try:
            remove(index)
            removed += 1
        except MagnetError as error:
            # Its source was deleted, or it is in use again.
            log.info("generation_not_removed", index=index.pk, reason=error.detail)
    return removed


def remove(index: KnowledgeIndex) -> None:
    """Take a retired generation away, its vector index first, then its rows in batches. Raises Conflict, NotFound."""
    index = _given_up(index)
    hnsw.drop(index)
    succession.empty(index)
    index.delete()
    log.info("generation_removed", source=index.source_id, number=index.number)


@one_transaction
def _given_up(index: KnowledgeIndex) -> KnowledgeIndex:
    """As it is now, and from now on nobody can go back to it, however long the removal takes."""
    source = KnowledgeSource.objects.hold(index.source_id)
    now: KnowledgeIndex | None = source.indexes.select_related("source").filter(pk=index.pk).first()
    if now is None:
        raise NotFound(f"“{index}” is gone already.")
    if now.status != Status.RETIRED or undoable(source) == now:
        raise Conflict(f"“{now}” is in use, so it is not removed.")
    KnowledgeIndex.objects.filter(pk=now.pk).update(live_at=None)
    return now
