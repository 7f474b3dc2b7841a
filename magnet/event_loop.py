"""The crossing from plain code (jobs, admin, commands) to async code: one event loop on a thread of each process."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from django.db import connection

T = TypeVar("T")

_starting = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def run_from_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end and return its result; it sees the caller, the trace and the log context of here.

    Never inside a transaction: its locks and its connection would be held while we wait for somebody else.
    """
    try:
        _refuse_within_loop_or_transaction()
    except RuntimeError:
        coroutine.close()
        raise
    loop = _running_loop()
    future = asyncio.run_coroutine_threadsafe(_with_context(coroutine, contextvars.copy_context()), loop)
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        raise


async def _with_context(coroutine: Coroutine[Any, Any, T], context: contextvars.Context) -> T:
    return await asyncio.get_running_loop().create_task(coroutine, context=context)


def _refuse_within_loop_or_transaction() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("run_from_sync was called from async code. Await the coroutine instead.")
    # Tests that are rolled back run in a transaction of their own, which is not ours to judge.
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise RuntimeError("run_from_sync was called inside atomic(). Cross over after the transaction.")


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _starting:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, daemon=True, name="event-loop").start()
        return _loop


def _forget_loop() -> None:
    """A fork copies the loop but not its thread."""
    global _loop, _starting
    _loop, _starting = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_loop)
