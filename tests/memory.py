"""How much memory a piece of work needed at its peak, for tests that promise to stream."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def memory_peak() -> Iterator[Callable[[], int]]:
    """Yield a function that returns, after the block, the bytes that were in use at its peak."""
    peaks: list[int] = []
    tracemalloc.start()
    try:
        yield lambda: peaks[0]
    finally:
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
