"""Ends a process whose parent is gone, so that `kill -9` of a parent leaves nothing running."""

from __future__ import annotations

import os
import signal
import threading
import time

LOOK_SECONDS = 0.5


def end_with(parent: int) -> None:
    """End this process, hard, soon after it stops being the child of process `parent`."""
    threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()


def end_forks_with_this_process() -> None:
    """Every process that is forked from this one, or from its forks, ends with the one that forked it."""
    forking = os.getpid()

    def remember() -> None:
        nonlocal forking
        # Asked before the fork: a parent that dies at once would not be found by asking afterwards.
        forking = os.getpid()

    os.register_at_fork(before=remember, after_in_child=lambda: end_with(forking))


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    # Nobody is left to wait for a clean end, and transactions are what keeps the data whole.
    os.kill(os.getpid(), signal.SIGKILL)
