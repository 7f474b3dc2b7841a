"""The log of a sync run: one line for each thing that a person who watches would want to know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError
from django.utils import timezone

from knowledge.models import Document, SyncRun, SyncRunEvent

log = structlog.get_logger(__name__)

Level = SyncRunEvent.Level

# Whoever has more failures looks at the list of documents, which holds all of them.
MOST_FAILURES = 500
MAX_CHARACTERS = 2_000
KEPT = timedelta(days=180)
BLANKED = "This line was about a document that has been deleted."


def say(run: SyncRun, text: str, *, level: str = Level.INFO, document: UUID | None = None) -> None:
    """Add a line. The log of a run whose source is just being deleted is of no use to anybody."""
    try:
        SyncRunEvent.objects.create(run_id=run.pk, text=text[:MAX_CHARACTERS], level=level, document_id=document)
    except IntegrityError:
        log.info("run_is_gone", run=str(run.pk))


def say_failure(document: Document, reason: str, *, token: UUID) -> None:
    """A line for a document that failed, in the run whose step holds this token; none outside of a run."""
    run = SyncRun.objects.filter(lease_token=token).only("pk").first()
    if run is None:
        return
    failures = run.events.exclude(document_id=None)[: MOST_FAILURES + 1].count()
    name = document.title or document.remote_id
    if failures < MOST_FAILURES:
        said = f"Failed: {reason}" if name in reason else f"“{name[:200]}” failed: {reason}"
        say(run, said, level=Level.ERROR, document=document.pk)
    elif failures == MOST_FAILURES:
        more = "More documents failed. The list of documents shows all of them, with their reasons."
        say(run, more, level=Level.ERROR, document=document.pk)


def say_without_context(document: Document, count: int, *, token: UUID) -> None:
    """A line where a model would not write about some chunks of a document, which are found all the same."""
    run = SyncRun.objects.filter(lease_token=token).only("pk").first() if count else None
    if run is not None:
        name = (document.title or document.remote_id)[:200]
        chunks = f"{count:,} chunk" if count == 1 else f"{count:,} chunks"
        said = f"“{name}”: {chunks} without a line of context, which the model would not write."
        say(run, said, level=Level.WARNING, document=document.pk)


# -- What a run says on its way ------------------------------------------------------------------------------------


def say_listed(run: SyncRun) -> None:
    counts = f"{run.added:,} new, {run.changed:,} changed, {run.unchanged:,} as before"
    say(run, f"Listed {counted(run.listed)}: {counts}.")


def say_deletions(run: SyncRun, count: int, *, is_allowed: bool) -> None:
    if not is_allowed:
        guard = run.source.deletion_guard_percent
        text = f"Would delete {counted(count)}, more than {guard} % of the source. Nothing is deleted until you agree."
        say(run, text, level=Level.WARNING)
    elif count:
        say(run, f"Deleted {counted(count)} that the source no longer has.")


def say_work(run: SyncRun) -> None:
    say(run, f"{counted(run.to_do)} to read and index." if run.to_do else "Nothing has to be indexed.")


def say_progress(run: SyncRun) -> None:
    say(run, f"{run.done:,} of {counted(run.to_do)} done.")


def say_end(run: SyncRun) -> None:
    receipt = run.receipt or {}
    parts = {name: receipt.get(name, 0) for name in ("live", "stale", "failed", "excluded", "pending")}
    states = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count or name == "live")
    waits = run.status == SyncRun.Status.WAITING
    say(run, f"{'Waits for approval' if waits else 'Done'}: {counted(receipt.get('seen', 0))} seen, {states}.")


def counted(n: int) -> str:
    return f"{n:,} document" if n == 1 else f"{n:,} documents"


# -- Reading it ------------------------------------------------------------------------------------------------------


def lines(run: SyncRun, *, after: int = 0, limit: int = 1_000) -> list[SyncRunEvent]:
    """The lines after the one with the number `after`, oldest first; of a long log its end."""
    newest: Any = run.events.filter(pk__gt=after).order_by("-pk")[:limit]
    return list(reversed(newest))


def forget_documents(documents: Sequence[UUID]) -> int:
    """Blank what runs have said of documents that are deleted: their titles outlive them nowhere."""
    lines = SyncRunEvent.objects.filter(document_id__in=documents)
    return lines.update(text=BLANKED, document_id=None)


def forget() -> int:
    """Remove old lines, the receipts of their runs stay; blank what was said of documents while they were deleted."""
    gone = SyncRunEvent.objects.exclude(document_id=None).exclude(document_id__in=Document.objects.values("pk"))
    gone.update(text=BLANKED, document_id=None)
    return SyncRunEvent.objects.filter(at__lt=timezone.now() - KEPT).delete()[0]
