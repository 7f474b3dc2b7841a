"""What the clock does: jobs receive ids, load, and call one function."""

from __future__ import annotations

from uuid import UUID

from knowledge import ledger, originals, sync
from knowledge.models import SyncRun
from magnet import retention


def step(run_id: str) -> bool:
    """Carry a sync run forward; what is left is queued as the next step."""
    run = SyncRun.objects.filter(pk=run_id).first()
    if run is None:
        return False  # Its source was deleted in the meantime.
    needs_more = sync.step(UUID(run_id))
    if needs_more:
        sync.enqueue_step(run)
    return needs_more


def tick() -> int:
    """Once a minute: start what is due."""
    return sync.start_due()


def sweep() -> dict[str, int]:
    """Once a day: forget what was kept long enough, texts of deleted documents, and files that nothing refers to."""
    return {**retention.forget(), "late_traces": ledger.blank_late_traces(), "files": originals.sweep()}
