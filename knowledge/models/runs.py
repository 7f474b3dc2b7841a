"""Sync runs: one unfinished for each source, each ending in a receipt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from knowledge.models.sources import KnowledgeSource
from magnet.ids import uuid7

# Three signs of life missed, and a little; with the clock of a minute, a dead worker's run goes on within two.
HEARTBEAT_LOST_AFTER = timedelta(seconds=40)


class LeaseLost(Exception):
    """Another step works on this run, or somebody cancelled it; whoever gets this stops and writes nothing."""


class SyncRunQuerySet(models.QuerySet["SyncRun"]):
    def unfinished(self) -> SyncRunQuerySet:
        return self.filter(status__in=SyncRun.UNFINISHED)

    def stop(self) -> int:
        """Take unfinished runs from whoever works on them, who notices at the next write."""
        stopped = {"status": SyncRun.Status.CANCELLED, "finished_at": timezone.now(), "lease_token": None}
        return self.unfinished().update(**stopped)


class SyncRun(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting for a worker")
        LISTING = "listing", _("Listing")
        INDEXING = "indexing", _("Indexing")
        WAITING = "waiting_for_approval", _("Waiting for approval")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    PUSH, RETRY = "push", "retry"
    UNFINISHED = (Status.QUEUED, Status.LISTING, Status.INDEXING, Status.WAITING)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(KnowledgeSource, on_delete=models.CASCADE, related_name="runs", verbose_name=_("source"))
    status = models.CharField(_("status"), max_length=30, choices=Status.choices, default=Status.QUEUED)
    trigger = models.CharField(_("started by"), max_length=30, default="manual")
    actor_label = models.CharField(_("who"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("asked for"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    # Each worker step proves with this token that it is the one at work; a late one writes nothing.
    lease_token = models.UUIDField(null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    notice = models.TextField(_("notice"), blank=True)

    listed = models.PositiveIntegerField(_("listed"), default=0)
    to_do = models.PositiveIntegerField(_("to do"), default=0)
    done = models.PositiveIntegerField(_("done"), default=0)
    added = models.PositiveIntegerField(_("added"), default=0)
    changed = models.PositiveIntegerField(_("changed"), default=0)
    unchanged = models.PositiveIntegerField(_("unchanged"), default=0)
    deleted = models.PositiveIntegerField(_("deleted"), default=0)
    # Deletions beyond the source's guard, and how many somebody has agreed to.
    deletions_waiting = models.PositiveIntegerField(_("deletions that wait for approval"), default=0)
    approved_deletions = models.PositiveIntegerField(_("approved deletions"), default=0)
    chunks_embedded = models.PositiveIntegerField(_("chunks embedded"), default=0)
    chunks_reused = models.PositiveIntegerField(_("chunks reused"), default=0)
    tokens = models.PositiveBigIntegerField(_("tokens"), default=0)
    cost = models.DecimalField(_("cost (USD)"), max_digits=20, decimal_places=10, default=0)
    # seen = live + stale + failed + excluded, written once at the end.
    receipt = models.JSONField(_("receipt"), null=True, blank=True)

    objects: ClassVar[Any] = SyncRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("sync run")
        verbose_name_plural = _("sync runs")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"],
                condition=Q(status__in=["queued", "listing", "indexing", "waiting_for_approval"]),
                name="one_unfinished_run_for_each_source",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_finished(self) -> bool:
        return self.status not in self.UNFINISHED

    @property
    def lists(self) -> bool:
        """Pushed documents and retries are in the ledger already; only other runs ask the source what there is."""
        return self.trigger not in (self.PUSH, self.RETRY) and not self.source.is_pushed

    @property
    def only_retries(self) -> bool:
        """Whether it leaves out a listing that its source could give."""
        return self.trigger == self.RETRY and not self.source.is_pushed

    @property
    def looks_stuck(self) -> bool:
        """True when a worker should be at it and has not shown itself for a while."""
        if self.status not in (self.Status.LISTING, self.Status.INDEXING):
            return False
        return self.heartbeat_at is None or timezone.now() - self.heartbeat_at > HEARTBEAT_LOST_AFTER

    def take(self) -> UUID | None:
        """A token for the next step, or None while another step is alive or nothing is left to do."""
        now, token = timezone.now(), uuid4()
        nobody = Q(lease_token=None) | Q(heartbeat_at__lt=now - HEARTBEAT_LOST_AFTER)
        taken = (
            SyncRun.objects.unfinished()
            .exclude(status=self.Status.WAITING)
            .filter(nobody, pk=self.pk)
            .update(lease_token=token, heartbeat_at=now, started_at=Coalesce("started_at", now))
        )
        self.refresh_from_db()
        return token if taken else None

    def note(self, token: UUID, **changes: Any) -> None:
        """Write progress with a sign of life. Raises LeaseLost when another step, or a cancel, has taken over."""
        rows = SyncRun.objects.filter(pk=self.pk, lease_token=token)
        if not rows.update(heartbeat_at=timezone.now(), **changes):
            raise LeaseLost
        self.refresh_from_db()

    def end(self, token: UUID, status: SyncRun.Status, **changes: Any) -> None:
        """The last word of a step: the run is over, or waits for somebody."""
        finished_at = None if status in self.UNFINISHED else timezone.now()
        self.note(token, status=status, finished_at=finished_at, lease_token=None, **changes)
