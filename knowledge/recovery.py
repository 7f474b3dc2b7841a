"""Work whose worker died goes on within a minute: every cluster looks for it with each of its signs of life."""

from __future__ import annotations

from uuid import UUID

import structlog

from knowledge import reindex, sync
from knowledge.models import KnowledgeIndex, SyncRun

log = structlog.get_logger(__name__)

# The dead workers for whom this process has called somebody; where nobody came, the clock calls again.
_known: set[UUID] = set()


def go_on() -> int:
    """Queue a step for what a worker held that has fallen silent, once for each of them; returns how many."""
    global _known
    runs = {run.lease_token: run for run in SyncRun.abandoned().exclude(lease_token=None)}
    indexes = {index.lease_token: index for index in KnowledgeIndex.abandoned().exclude(lease_token=None)}
    silent = {*runs, *indexes}
    for token in silent - _known:
        log.warning("worker_fell_silent", step=str(token))
        if token in runs and not sync.is_queued(runs[token]):
            sync.enqueue_step(runs[token])
        elif token in indexes and not reindex.is_queued(indexes[token]):
            reindex.enqueue_step(indexes[token])
    found, _known = len(silent - _known), silent
    return found
