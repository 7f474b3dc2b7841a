"""How a source is: one word that a person understands, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from knowledge.models import KnowledgeSource, SyncRun

# The clock looks once a minute, and workers may be busy; after that somebody should look.
OVERDUE_AFTER = timedelta(minutes=15)

HEALTHY, INCOMPLETE, ILL = "live", "stale", "failed"
BUSY, EMPTY = "indexing", "excluded"


@dataclass(frozen=True)
class Health:
    """`tone` is the state whose colour fits."""

    word: str
    why: str
    tone: str


@dataclass(frozen=True)
class Spent:
    tokens: int
    cost: Decimal
    context_tokens: int


def of(source: KnowledgeSource, *, states: Mapping[str, int], current: SyncRun | None, last: SyncRun | None) -> Health:
    """Judged by its unfinished run, the one that ended last, and its documents by state; the worst counts."""
    return (
        _of_run(current)
        or _of_last(last)
        or _of_clock(source, current)
        or _of_documents(states, is_busy=current is not None)
    )


def ill_sources() -> Iterator[tuple[KnowledgeSource, Health]]:
    """The sources that fail, are stuck or overdue, by name: three statements, however many there are."""
    current = {run.source_id: run for run in SyncRun.objects.unfinished()}
    ended = SyncRun.objects.exclude(status__in=SyncRun.UNFINISHED).order_by("source_id", "-created_at")
    last = {run.source_id: run for run in ended.distinct("source_id")}
    for source in KnowledgeSource.objects.order_by("name"):
        run = current.get(source.pk)
        judged = _of_run(run) or _of_last(last.get(source.pk)) or _of_clock(source, run)
        if judged and judged.tone == ILL:
            yield source, judged


def _of_run(run: SyncRun | None) -> Health | None:
    if run is None:
        return None
    if run.looks_stuck:
        return Health(_("Stuck"), _("The sync shows no sign of life. Another worker takes over by itself."), ILL)
    if run.status == SyncRun.Status.WAITING:
        return Health(_("Waits for you"), run.question, INCOMPLETE)
    if run.is_resting:
        return Health(_("Paused"), run.remark, INCOMPLETE)
    return None


def _of_last(run: SyncRun | None) -> Health | None:
    if run is None or run.status != SyncRun.Status.FAILED:
        return None
    return Health(_("Failing"), _("The last sync failed: %(why)s") % {"why": run.error}, ILL)


def _of_clock(source: KnowledgeSource, current: SyncRun | None) -> Health | None:
    due = source.next_sync_at
    if due is None or current is not None or due + OVERDUE_AFTER > timezone.now():
        return None
    return Health(_("Overdue"), _("A sync was due and has not begun. Check that a worker runs."), ILL)


def _of_documents(states: Mapping[str, int], *, is_busy: bool) -> Health:
    counted = sum(states.values())
    failed, stale, pending = (states.get(name, 0) for name in ("failed", "stale", "pending"))
    if is_busy or pending:
        return Health(_("Busy"), _("Documents are being read; what was live before still answers."), BUSY)
    if not counted:
        return Health(_("Empty"), _("There are no documents yet."), EMPTY)
    if failed or stale:
        one, many = "%(n)s document has a problem: %(parts)s.", "%(n)s documents have a problem: %(parts)s."
        said = ((failed, _("%(n)s failed")), (stale, _("%(n)s answers with its old version")))
        parts = ", ".join(text % {"n": f"{count:,}"} for count, text in said if count)
        why = ngettext(one, many, failed + stale) % {"n": f"{failed + stale:,}", "parts": parts}
        return Health(_("Incomplete"), why, INCOMPLETE)
    why = ngettext("Its document can be found.", "All %(n)s documents can be found.", states.get("live", 0))
    return Health(_("Healthy"), why % {"n": f"{states.get('live', 0):,}"}, HEALTHY)


def complete_since(source: KnowledgeSource) -> datetime | None:
    """When the last sync ended that had looked at the whole source (for handed-in documents: any run)."""
    done = source.runs.filter(status=SyncRun.Status.DONE)
    if not source.is_pushed:
        done = done.exclude(trigger__in=(SyncRun.PUSH, SyncRun.RETRY))
    last: SyncRun | None = done.order_by("-finished_at").first()
    return last.finished_at if last else None


def spent(source: KnowledgeSource) -> Spent:
    """What all runs of a source have cost."""
    sums = source.runs.aggregate(tokens=Sum("tokens"), cost=Sum("cost"), context_tokens=Sum("context_tokens"))
    return Spent(sums["tokens"] or 0, sums["cost"] or Decimal(0), sums["context_tokens"] or 0)
