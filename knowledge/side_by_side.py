"""One piece of work at a time in a thread beside the caller: PostgreSQL writes a batch while Python reads the next."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from django.db import connection, connections


class SideBySide:
    """Used as a context; leaving it waits for the last piece, and raises what that raised."""

    def __init__(self) -> None:
        self.thread: ThreadPoolExecutor | None = None
        self.last: Future[None] | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin a piece when the last one is done; raises what the last one raised."""
        self.wait()
        if connection.in_atomic_block:
            # Another connection would not see what this transaction has written.
            return work()
        self.thread = self.thread or ThreadPoolExecutor(1, thread_name_prefix="side-by-side")
        self.last = self.thread.submit(contextvars.copy_context().run, work)

    def wait(self) -> None:
        last, self.last = self.last, None
        if last is not None:
            last.result()

    def __enter__(self) -> SideBySide:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            if self.thread is not None:
                self.thread.submit(connections.close_all)
                self.thread.shutdown()
