"""What upper floors keep open on an event loop is closed with it; they say so here, because we do not know them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Close = Callable[[], Awaitable[None]]

_closers: list[Close] = []


def at_end_of_loop(close: Close) -> None:
    """`close` is awaited when an event loop of this process ends, on that loop."""
    _closers.append(close)


async def close_all() -> None:
    for close in _closers:
        await close()
