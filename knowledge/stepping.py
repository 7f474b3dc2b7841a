"""The frame of every step of long work: its lease, its sign of life, what a dead one left, and what a failure means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connections
from django.db.models import F
from psycopg.errors import DeadlockDetected, DiskFull

from knowledge import ledger
from knowledge.heartbeat import beating
from knowledge.indexing import Outcome
from knowledge.models import KnowledgeIndex, SyncRun
from knowledge.models.leases import Leased, LeaseLost
from magnet import queue
from magnet.errors import Conflict, MagnetError, StorageFull
from magnet.tracing import trace

log = structlog.get_logger(__name__)

DOCUMENTS_AT_ONCE = 256
# A step ends after this time and queues its successor, so that no source starves another.
STEP_SECONDS = 20.0
DATABASE_FULL = "The disk of the database is full. Free some space, or give it more; nothing was lost."


def carry(
    row: SyncRun | KnowledgeIndex,
    *,
    feature: str,
    summary: str,
    advance: Callable[[UUID], bool],
    stop: Callable[[MagnetError, UUID], None],
    crashed: str,
) -> bool:
    """Take `row`, `advance` it under a token of its own, and let it go; True when another step is needed.

    What holds it up goes to `stop`; an error that nobody foresaw goes there as the sentence `crashed`, and to the log.
    """
    before, seen_at = row.lease_token, row.heartbeat_at
    token = row.take()
    if token is None:
        return False
    if before is not None:
        _free_what_was_held(before, seen_at=seen_at)
    try:
        with beating(row, token), trace(feature=feature, slug=row.source.slug, summary=summary):
            return advance(token)
    except LeaseLost:
        # Paused, cancelled, taken over, or its source deleted.
        _say_gave_way(row)
    except MagnetError as error:
        stop(error, token)
    except (OperationalError, InterfaceError) as error:
        # A passing fault of the database is no fault of the work. The clock goes on with it, at once or when it can.
        _say_interrupted(row, error)
        if isinstance(error.__cause__, DiskFull):
            stop(StorageFull(DATABASE_FULL), token)
        return isinstance(error.__cause__, DeadlockDetected)
    except Exception as error:
        if row.is_held_by(token):
            log.error("step_crashed", work=_name(row), exc_info=error)
            stop(Conflict(crashed), token)
        else:
            # Its source was deleted, or somebody cancelled it, while it wrote.
            _say_gave_way(row, error)
    finally:
        ledger.release(token)
        row.let_go(token)
    return False


def _free_what_was_held(before: UUID, *, seen_at: datetime | None) -> None:
    """Its worker is dead, or late and may write nothing any more: what it held is free, and may be why.

    Unless nobody could show life, because the database was away: then no document is suspected.
    """
    if seen_at is not None and queue.was_cut_off(seen_at):
        ledger.release(before)
    else:
        ledger.count_death(before)


@contextmanager
def giving_way(row: Leased) -> Iterator[None]:
    """What is written at the end of a step; nothing where the row is lost, or not even this can be written."""
    try:
        yield
    except LeaseLost:
        _say_gave_way(row)
    except (OperationalError, InterfaceError) as error:
        _say_interrupted(row, error)


def spent(outcome: Outcome) -> dict[str, Any]:
    """What a batch did and cost, as changes of the row that it belongs to."""
    return {
        **({"pauses": 0} if outcome.done else {}),
        "done": F("done") + outcome.done + outcome.failed,
        "chunks_embedded": F("chunks_embedded") + outcome.embedded,
        "chunks_reused": F("chunks_reused") + outcome.reused,
        **{name: F(name) + getattr(outcome, name) for name in ("tokens", "cost", "context_tokens", "context_cost")},
    }


def _say_gave_way(row: Leased, error: Exception | None = None) -> None:
    log.info("step_gave_way", work=_name(row), **({"error": repr(error)} if error else {}))


def _say_interrupted(row: Leased, error: Exception) -> None:
    log.warning("step_interrupted", work=_name(row), error=str(error))
    connections["default"].close()


def _name(row: Leased) -> str:
    return f"{row._meta.model_name} {row.pk}"
