"""What the clock does: jobs receive ids, load, and call one function."""

from __future__ import annotations

from uuid import UUID

from knowledge import alerting, ledger, originals, reindex, run_log, sync, vector_lag
from knowledge.models import KnowledgeIndex, SyncRun
from magnet import retention


def step(run_id: str) -> bool:
    """Carry a sync run forward; what is left is queued as the next step."""
    run = SyncRun.objects.filter(pk=run_id).first()
    if run is None:
        return False  # Its source was deleted in the meantime.
    needs_more = sync.step(UUID(run_id))
    if needs_more:
        sync.enqueue_step(run)
    else:
        # What it has changed is carried over to a generation that is built beside the live one.
        reindex.wake(run.source_id)
    return needs_more


def reindex_step(index_id: int) -> bool:
    """Carry a generation under construction forward; what is left is queued as the next step."""
    index = KnowledgeIndex.objects.filter(pk=index_id).first()
    if index is None:
        return False  # Cancelled, or its source deleted, in the meantime.
    needs_more = reindex.step(index_id)
    if needs_more:
        reindex.enqueue_step(index)
    return needs_more


def remove_index(index_id: int) -> None:
    """Take away a generation whose building was given up."""
    index = KnowledgeIndex.objects.filter(pk=index_id).first()
    if index is not None:
        reindex.remove(index)


def tick() -> int:
    """Once a minute: start what is due, and go on with what nobody carries forward."""
    return sync.start_due() + reindex.wake() + alerting.tell_of_late_ones() + vector_lag.tell()


def sweep() -> dict[str, int]:
    """Once a day: forget what was kept long enough, texts of deleted documents, and what nothing refers to."""
    counts = {
        "late_traces": ledger.blank_late_traces(),
        "files": originals.sweep(),
        "run_lines": run_log.forget(),
        "indexes": reindex.sweep(),
    }
    return {**retention.forget(), **counts}
