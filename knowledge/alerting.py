"""Which turns of a sync somebody is told of: the first failure, the recovery, what waits for a click, what is late."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from knowledge.models import KnowledgeSource, SyncRun
from magnet import alerts
from magnet.models import Delivery
from magnet.models.webhooks import Event

Status = SyncRun.Status
ENDED = (Status.DONE, Status.FAILED)
# Earlier nobody calls a sync late, however often it is asked for.
LATE_AFTER = timedelta(hours=1)


def ended(run: SyncRun) -> None:
    """Called in the transaction that ends a run, or lets it wait for somebody."""
    if run.status == Status.WAITING:
        if not _is_told_of_waiting(run):
            _tell(run, Event.SYNC_WAITING, "waits for approval", run.question)
    elif run.status == Status.FAILED and not _had_failed_before(run):
        _tell(run, Event.SYNC_FAILED, "does not sync", run.error)
    elif run.status == Status.DONE and _had_failed_before(run):
        _tell(run, Event.SYNC_RECOVERED, "syncs again", "The sync came to its end again.")


def _is_told_of_waiting(run: SyncRun) -> bool:
    """A run that waits lists again at its next time, and asks the same again."""
    told = Delivery.objects.filter(event=Event.SYNC_WAITING, payload__data__sync_run=str(run.pk))
    return told.filter(text=run.question).exists()


def _had_failed_before(run: SyncRun) -> bool:
    """Whether the run before this one failed: of a source that stays broken, people are told once."""
    before = run.source.runs.filter(status__in=ENDED).exclude(pk=run.pk).order_by("-created_at")
    return before.values_list("status", flat=True).first() == Status.FAILED


def tell_of_late_ones() -> int:
    """Tell once of each scheduled run that is unfinished when the next one should start; returns how many."""
    told = 0
    runs = SyncRun.objects.unfinished().exclude(status=Status.WAITING).filter(is_told_late=False)
    for run in runs.filter(created_at__lt=timezone.now() - LATE_AFTER).select_related("source"):
        told += _is_late(run) and _tell_late(run)
    return told


def _is_late(run: SyncRun) -> bool:
    source: KnowledgeSource = run.source
    source.plan_next_sync(after=run.created_at)
    return source.next_sync_at is not None and source.next_sync_at < timezone.now()


@transaction.atomic
def _tell_late(run: SyncRun) -> bool:
    if not SyncRun.objects.filter(pk=run.pk, is_told_late=False).update(is_told_late=True):
        return False
    reason = run.notice or "It is not finished, and the next one should have started."
    _tell(run, Event.SYNC_OVERDUE, "is late", reason)
    return True


def _tell(run: SyncRun, event: Event, what: str, text: str) -> None:
    source = run.source
    alerts.tell(
        event,
        subject=f"“{source.name}” {what}",
        text=text,
        path=reverse("admin:knowledge_syncrun_change", args=[run.pk]),
        knowledge_source=source.slug,
        sync_run=str(run.pk),
        status=run.status,
        receipt=run.receipt,
    )
