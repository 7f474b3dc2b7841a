"""Sync runs: one unfinished for each source, each ending in a receipt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from knowledge.models.leases import Resting
from knowledge.models.sources import KnowledgeSource
from magnet.ids import uuid7


class SyncRunQuerySet(models.QuerySet["SyncRun"]):
    def unfinished(self) -> SyncRunQuerySet:
        return self.filter(status__in=SyncRun.UNFINISHED)

    def stop(self) -> int:
        """Take unfinished runs from whoever works on them, who notices at the next write."""
        stopped = {"status": SyncRun.Status.CANCELLED, "finished_at": timezone.now(), "lease_token": None}
        stopped |= {"resumes_at": None, "pause_reason": ""}
        return self.unfinished().update(**stopped)


class SyncRun(Resting):
    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting for a worker")
        LISTING = "listing", _("Listing")
        INDEXING = "indexing", _("Indexing")
        WAITING = "waiting_for_approval", _("Waiting for approval")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    PUSH, RETRY, SCHEDULE = "push", "retry", "schedule"
    # What these runs work on is in the ledger already.
    WITHOUT_LISTING = (PUSH, RETRY)
    UNFINISHED = (Status.QUEUED, Status.LISTING, Status.INDEXING, Status.WAITING)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(KnowledgeSource, on_delete=models.CASCADE, related_name="runs", verbose_name=_("source"))
    status = models.CharField(_("status"), max_length=30, choices=Status.choices, default=Status.QUEUED)
    trigger = models.CharField(_("started by"), max_length=30, default="manual")
    actor_label = models.CharField(_("who"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("asked for"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    is_told_late = models.BooleanField(default=False, editable=False)
    error = models.TextField(_("error"), blank=True)
    notice = models.TextField(_("notice"), blank=True)
    # Why it rests.
    pause_reason = models.TextField(_("waits because"), blank=True)

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
    # What a large run would embed and cost, while it waits for somebody to agree, and how many documents they have
    # agreed to.
    forecast = models.JSONField(null=True, blank=True, editable=False)
    approved_documents = models.PositiveIntegerField(_("approved documents"), default=0)
    chunks_embedded = models.PositiveIntegerField(_("chunks embedded"), default=0)
    chunks_reused = models.PositiveIntegerField(_("chunks reused"), default=0)
    tokens = models.PositiveBigIntegerField(_("tokens"), default=0)
    cost = models.DecimalField(_("cost (USD)"), max_digits=20, decimal_places=10, default=0)
    # What a chat model read and wrote for lines of context, apart from the tokens embedded, and its part of the cost.
    context_tokens = models.PositiveBigIntegerField(_("tokens for lines of context"), default=0, db_default=0)
    context_cost = models.DecimalField(
        _("cost of lines of context (USD)"), max_digits=20, decimal_places=10, default=0, db_default=0
    )
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
    def question(self) -> str:
        """What somebody must agree to before the run goes on; empty when nothing is asked."""
        if self.status != self.Status.WAITING:
            return ""
        if self.deletions_waiting:
            count, guard = _documents(self.deletions_waiting), self.source.deletion_guard_percent
            return f"This sync would delete {count}, more than the limit of {guard} %. Approve it, or cancel."
        expected = self.forecast or {}
        count = _documents(expected.get("documents", 0))
        return f"This sync would embed {count}: {_ranges(expected)}. Approve it, or cancel."

    @property
    def lists(self) -> bool:
        """Whether it asks the source what there is."""
        return self.trigger not in self.WITHOUT_LISTING and not self.source.is_pushed

    @property
    def only_retries(self) -> bool:
        """Whether it leaves out a listing that its source could give."""
        return self.trigger == self.RETRY and not self.source.is_pushed

    @property
    def looks_stuck(self) -> bool:
        """True when a worker should be at it and has not shown itself for a while."""
        if self.status not in (self.Status.LISTING, self.Status.INDEXING):
            return False
        return self.is_silent and not self.is_resting

    @classmethod
    def workable(cls) -> models.QuerySet[Any]:
        return cls.objects.unfinished().exclude(status=cls.Status.WAITING).filter(cls.may_go_on())

    def take(self, **changes: Any) -> UUID | None:
        started_at = Coalesce("started_at", timezone.now())
        return super().take(started_at=started_at, resumes_at=None, pause_reason="", **changes)

    @property
    def remark(self) -> str:
        """What a person should know of it beside its status: why it failed or waits, and what was left out."""
        rests = f"{self.pause_reason} {self.next_try}" if self.next_try else ""
        return " ".join(part for part in (self.error, rests, self.notice) if part)

    def end(self, token: UUID, status: SyncRun.Status, **changes: Any) -> None:
        """The last word of a step: the run is over, or waits for somebody."""
        finished_at = None if status in self.UNFINISHED else timezone.now()
        self.note(token, status=status, finished_at=finished_at, lease_token=None, **changes)


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count:,} documents"


def _ranges(expected: dict[str, Any]) -> str:
    """“100,000 to 400,000 tokens, $0.02 to $0.08, 3 to 20 minutes” from a forecast."""
    tokens, cost, seconds = (expected.get(name, {}) for name in ("tokens", "cost", "seconds"))
    dollars = [f"${max(Decimal(cost.get(end, 0)), Decimal('0.01')):,.2f}" for end in ("least", "most")]
    minutes = [max(1, round(seconds.get(end, 0) / 60)) for end in ("least", "most")]
    spans = [(f"{tokens.get('least', 0):,}", f"{tokens.get('most', 0):,}", " tokens"), (*dollars, "")]
    spans.append((f"{minutes[0]:,}", f"{minutes[1]:,}", " minutes"))
    return ", ".join(f"{least if least == most else f'{least} to {most}'}{unit}" for least, most, unit in spans)
