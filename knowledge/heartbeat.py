"""The sign of life of a step at work: shown by a thread of its own, however long one document takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connections

from knowledge import ledger
from knowledge.models.leases import Leased

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 10.0


@contextmanager
def beating(row: Leased, token: UUID) -> Iterator[None]:
    """Show life while a step works on `row`, and keep the documents that it holds; a dead process shows none."""
    is_over = threading.Event()

    def beat() -> None:
        try:
            while not is_over.wait(HEARTBEAT_SECONDS):
                show_life(row, token)
        finally:
            connections.close_all()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def show_life(row: Leased, token: UUID) -> None:
    try:
        row.show_life(token)
        ledger.renew(token)
    except (OperationalError, InterfaceError) as error:
        # The next beat may get through. While none does, the work counts as abandoned, which is what it may be.
        log.warning("heartbeat_missed", work=f"{row._meta.model_name} {row.pk}", error=str(error))
        connections["default"].close()
