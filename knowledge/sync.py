"""Syncs: one unfinished run for each source, carried forward in short steps, ending in a receipt.

A step lists (whole, or the run fails and nothing is deleted), deletes what is gone within the source's guard, and
indexes what is due, batch by batch; the next step does what it leaves, also when it dies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from knowledge import alerting, forecast, ledger, run_log, stepping
from knowledge.indexing import Outcome, documents_at_once, index_documents
from knowledge.listing import take_stock
from knowledge.models import KnowledgeIndex, KnowledgeSource, SyncRun
from knowledge.stepping import DOCUMENTS_AT_ONCE, STEP_SECONDS, spent
from magnet import queue
from magnet.callers import current_caller
from magnet.database import one_transaction
from magnet.errors import Conflict, MagnetError, NotFound, ProviderError, ProviderRefusedKey, StorageFull
from magnet.models import AuditEntry

log = structlog.get_logger(__name__)

Status = SyncRun.Status
Level = run_log.Level

# What has come along since somebody agreed needs no second word.
MORE = 1.1
STEP = "knowledge.jobs.step"
WHOM_TO_ASK = "Whoever manages the providers in the admin can give it a new key; then the sync goes on by itself."


# -- Starting and stopping ---------------------------------------------------------------------------------------------


@one_transaction
def start(source: KnowledgeSource, *, trigger: str = "manual") -> SyncRun:
    """The unfinished run of this source, or a new one; queued after the commit.

    A run that waits for approval lists again: what it missed may be back. One that only tries documents again lists
    as well. One that rests tries at once. Raises Conflict where documents are uploaded and nothing can be looked for.
    """
    if source.is_pushed and trigger not in SyncRun.WITHOUT_LISTING:
        raise Conflict(f"“{source.name}” takes documents that are uploaded; there is nothing to look for.")
    KnowledgeSource.objects.hold(source.pk)
    run = source.runs.unfinished().first()
    if run is None:
        run = SyncRun.objects.create(source=source, trigger=trigger, actor_label=current_caller().label)
    elif trigger not in SyncRun.WITHOUT_LISTING and (run.status == Status.WAITING or run.only_retries):
        run.trigger = trigger
        _requeue(run, approved_deletions=0)
    elif trigger not in (SyncRun.PUSH, SyncRun.SCHEDULE):
        SyncRun.objects.filter(pk=run.pk).update(resumes_at=None)
    elif _waits_in_queue(run):
        # That step sees what has come in, for it cannot end the run before this commit.
        return run
    enqueue_step(run)
    return run


@one_transaction
def approve(run: SyncRun) -> SyncRun:
    """Agree to what a run waits with; it lists again, and deletes or embeds at most that many documents."""
    run = SyncRun.objects.select_for_update(of=("self",)).select_related("source").get(pk=run.pk)
    if run.status != Status.WAITING:
        raise Conflict(f"This run of “{run.source.name}” does not wait for approval.")
    if run.deletions_waiting:
        AuditEntry.record("approved deletions of", run, deletions=run.deletions_waiting)
        run_log.say(run, f"{current_caller().label} agreed to delete {run_log.counted(run.deletions_waiting)}.")
    else:
        run.approved_documents = int((run.forecast or {}).get("documents", 0))
        AuditEntry.record("approved the cost of", run, forecast=run.forecast)
        run_log.say(run, f"{current_caller().label} agreed to embed {run_log.counted(run.approved_documents)}.")
    _requeue(run, approved_deletions=run.deletions_waiting)
    enqueue_step(run)
    return run


@one_transaction
def cancel(run: SyncRun) -> SyncRun:
    """Stop a run; what is indexed stays, what is due stays due. A step at work notices at its next write."""
    run = SyncRun.objects.select_for_update(of=("self",)).select_related("source").get(pk=run.pk)
    if run.is_finished:
        raise Conflict(f"This run of “{run.source.name}” is over already.")
    if run.lease_token:
        ledger.release(run.lease_token)
    run.status, run.finished_at, run.lease_token, run.resumes_at = Status.CANCELLED, timezone.now(), None, None
    run.receipt = _receipt(run, run.source.live_index)
    run.save(update_fields=["status", "finished_at", "lease_token", "resumes_at", "receipt"])
    AuditEntry.record("cancelled", run)
    run_log.say(run, f"Cancelled by {current_caller().label}. What is indexed stays.", level=Level.WARNING)
    return run


def run_to_end(run: SyncRun, on_progress: Callable[[SyncRun], None] | None = None) -> SyncRun:
    """Carry a run to its end in this process (command line, tests)."""
    while step(run.pk, on_progress=on_progress):
        continue
    run.refresh_from_db()
    return run


def _requeue(run: SyncRun, *, approved_deletions: int) -> None:
    run.status, run.deletions_waiting, run.approved_deletions = Status.QUEUED, 0, approved_deletions
    run.resumes_at = run.forecast = None
    asked = ["deletions_waiting", "approved_deletions", "forecast", "approved_documents"]
    run.save(update_fields=["status", "trigger", "resumes_at", *asked])


def enqueue_step(run: SyncRun) -> None:
    queue.enqueue(STEP, str(run.pk), cluster=_cluster_of(run))


def is_queued(run: SyncRun) -> bool:
    """Whether a step waits for a free worker, or is with one that has not begun; one that died began, and lost it."""
    return _waits_in_queue(run, or_held=run.lease_token is None)


def _waits_in_queue(run: SyncRun, *, or_held: bool = False) -> bool:
    return queue.is_waiting(STEP, str(run.pk), cluster=_cluster_of(run), or_held=or_held)


def _cluster_of(run: SyncRun) -> queue.Cluster:
    """What somebody has just uploaded is not kept waiting behind large syncs, unless it takes long itself."""
    is_quick = run.trigger == SyncRun.PUSH and run.source.context_model_id is None
    return "fast" if is_quick else "bulk"


# -- The clock -----------------------------------------------------------------------------------------------


def start_due() -> int:
    """Start what is scheduled, what may be tried again, and what a dead worker left; returns how many runs."""
    return _start_scheduled() + _start_retries() + _wake_abandoned()


def _start_scheduled() -> int:
    started = 0
    now = timezone.now()
    with transaction.atomic():
        for source in KnowledgeSource.objects.due(now).select_for_update(of=("self",), no_key=True, skip_locked=True):
            source.plan_next_sync(after=now)
            source.save(update_fields=["next_sync_at"])
            if not source.is_pushed:
                start(source, trigger=SyncRun.SCHEDULE)
                started += 1
    return started


def _start_retries() -> int:
    waiting = KnowledgeSource.objects.filter(
        indexes__status="live",
        indexes__ledger__is_due=True,
        indexes__ledger__next_attempt_at__lte=timezone.now(),
    ).distinct()
    started = 0
    for source in waiting:
        if source.runs.unfinished().exists():
            continue
        try:
            start(source, trigger=SyncRun.RETRY)
            started += 1
        except NotFound:
            log.info("source_was_deleted", source=source.slug)
    return started


def _wake_abandoned() -> int:
    """Runs whose worker is gone, or whose task was lost, go on with a new step."""
    woken = [run for run in SyncRun.abandoned().select_related("source") if not is_queued(run)]
    for run in woken:
        enqueue_step(run)
    return len(woken)


# -- A step --------------------------------------------------------------------------------------------------


def step(run_id: UUID, *, on_progress: Callable[[SyncRun], None] | None = None) -> bool:
    """Carry a run forward for a while; True when another step is needed."""
    run = SyncRun.objects.select_related("source__embedding_model__provider").get(pk=run_id)
    return stepping.carry(
        run,
        feature="sync",
        summary=f"Sync {run.source.name}",
        advance=lambda token: _advance(run, token=token, on_progress=on_progress or _say_nothing),
        stop=lambda error, token: _stop(run, error, token=token),
        crashed="The sync stopped with an internal error. The log names it; start the sync again.",
    )


def _advance(run: SyncRun, *, token: UUID, on_progress: Callable[[SyncRun], None]) -> bool:
    index = ledger.ensure_index(run.source)
    connector = run.source.open_connector()
    try:
        if run.status in (Status.QUEUED, Status.LISTING):
            trigger = run.trigger
            if run.lists:
                _list(run, index, connector, token=token)
            if not _begin_indexing(run, index, trigger=trigger, token=token):
                return True
            on_progress(run)
        deadline = time.monotonic() + STEP_SECONDS
        limit = documents_at_once(index, most=DOCUMENTS_AT_ONCE)
        while entries := ledger.claim(index, token=token, limit=limit):
            outcome = Outcome()
            try:
                index_documents(index, entries, connector=connector, token=token, outcome=outcome)
            finally:
                # Also where it stops half-way: what was bought until then is paid for.
                run.note(token, **spent(outcome))
            run_log.say_progress(run)
            on_progress(run)
            if time.monotonic() > deadline:
                return True
        is_over = _finish(run, index, token=token)
        on_progress(run)
        return not is_over
    finally:
        connector.close()


def _list(run: SyncRun, index: KnowledgeIndex, connector: Any, *, token: UUID) -> None:
    run.note(token, status=Status.LISTING, deleted=0, deletions_waiting=0, error="", notice="")
    run_log.say(run, "Asks the source what there is.")
    before = run.source.documents.count()
    stock = take_stock(run, index, connector, token=token)
    run_log.say_listed(run)
    ledger.try_passing_failures_again(index)
    allowed = max(before * run.source.deletion_guard_percent // 100, run.approved_deletions)
    if len(stock.gone) > allowed:
        # Without the new state: a cursor names a deletion once, and the listing after the approval must hear of it.
        run.note(token, deletions_waiting=len(stock.gone))
        run_log.say_deletions(run, len(stock.gone), is_allowed=False)
        return
    run.note(token, deleted=ledger.delete_documents(stock.gone, first=lambda: run.note(token)))
    run_log.say_deletions(run, run.deleted, is_allowed=True)
    with transaction.atomic():
        run.note(token)
        run.source.keep_connector_state(stock.connector_state)


@transaction.atomic
def _begin_indexing(run: SyncRun, index: KnowledgeIndex, *, trigger: str, token: UUID) -> bool:
    """False when somebody must agree first, or has asked for a listing since this step decided about it."""
    KnowledgeSource.objects.hold(run.source_id)
    run.note(token)
    if run.trigger != trigger:
        return False
    expected = forecast.of_unread(run.source) if run.lists else None
    if expected and expected.is_large and any(expected.cost) and expected.documents > run.approved_documents * MORE:
        run.end(token, Status.WAITING, forecast=expected.as_json(), receipt=_receipt(run, index))
        run_log.say(run, run.question, level=Level.WARNING)
        alerting.ended(run)
        return False
    run.note(token, status=Status.INDEXING, to_do=ledger.due(index).count(), done=0)
    run_log.say_work(run)
    return True


@transaction.atomic
def _finish(run: SyncRun, index: KnowledgeIndex, *, token: UUID) -> bool:
    """End the run unless a push, or a wish to list, has come in between; the source's row holds both off meanwhile."""
    KnowledgeSource.objects.hold(run.source_id)
    run.note(token)
    if run.status == Status.QUEUED or ledger.due(index).exists() or run.source.live_index != index:
        # Pushed, asked for, or switched to another generation in the meantime: the next step sees to it.
        return False
    status = Status.WAITING if run.deletions_waiting else Status.DONE
    run.end(token, status, receipt=_receipt(run, index))
    run_log.say_end(run)
    alerting.ended(run)
    log.info("source_synced", source=run.source.slug, run=str(run.pk), status=status.value)
    return True


def _stop(run: SyncRun, error: MagnetError, *, token: UUID) -> None:
    """It rests until somebody else has done their part, whereby no document loses an attempt; or it has failed."""
    with stepping.giving_way(run):
        if isinstance(error, ProviderError | StorageFull):
            _rest(run, error, token=token)
        else:
            _fail(run, error.detail, token=token)


def _rest(run: SyncRun, error: MagnetError, *, token: UUID) -> None:
    reason = f"{error.detail} {WHOM_TO_ASK}" if isinstance(error, ProviderRefusedKey) else error.detail
    log.warning("sync_rests", run=str(run.pk), reason=reason)
    run.rest(token, pause_reason=reason, at_least_seconds=error.retry_after_seconds or 0)
    run_log.say(run, run.remark, level=Level.WARNING)


@transaction.atomic
def _fail(run: SyncRun, reason: str, *, token: UUID) -> None:
    # First, because there is no receipt of a source that was deleted.
    run.note(token)
    run.end(token, Status.FAILED, error=reason, receipt=_receipt(run, run.source.live_index))
    run_log.say(run, f"Failed: {reason}", level=Level.ERROR)
    alerting.ended(run)


def _receipt(run: SyncRun, index: KnowledgeIndex | None) -> dict[str, Any]:
    """What stands in the source after this run: seen = live + stale + failed + excluded (+ pending when cut short)."""
    states = ledger.count_states(index) if index else {}
    return {
        "seen": sum(states.values()),
        **states,
        "added": run.added,
        "changed": run.changed,
        "unchanged": run.unchanged,
        "deleted": run.deleted,
        "deletions_waiting": run.deletions_waiting,
        "chunks_embedded": run.chunks_embedded,
        "chunks_reused": run.chunks_reused,
        "tokens": run.tokens,
        "cost": _plain(run.cost),
        "context_tokens": run.context_tokens,
        "context_cost": _plain(run.context_cost),
    }


def _plain(cost: Decimal) -> str:
    return format(Decimal(cost).normalize(), "f")


def _say_nothing(run: SyncRun) -> None:
    """Nobody watches."""
