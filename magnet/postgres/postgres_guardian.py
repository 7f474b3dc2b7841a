"""Runs PostgreSQL for as long as somebody uses it: a small process of its own, see embedded_postgres.

It is run as a file, without Django. Users hold a shared lock on one file; the kernel grants the exclusive
lock when the last of them is gone, however it ended. So no process ids are watched, and nothing stays behind.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

STOP_SECONDS = 60
STEADY_SECONDS = 10
MAX_FAILURES = 5
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Arguments: the users' lock file, the descriptor of the guardian's lock, user id, group id, command."""
    users_lock, guardian_lock, user, group, *command = sys.argv[1:]
    identity: dict[str, Any] = {}
    if user:
        identity = {"user": int(user), "group": int(group), "extra_groups": []}
    status = guard(command, users=os.open(users_lock, os.O_RDWR), identity=identity)
    # First this lock, then (at exit) the users' lock: who is let in afterwards finds that nobody guards.
    os.close(int(guardian_lock))
    return status


def guard(command: list[str], *, users: int, identity: dict[str, Any]) -> int:
    """Keep the server running until the last user has left; give up when it cannot stay up."""
    happened, left = threading.Event(), threading.Event()
    threading.Thread(target=wait_for_last_user, args=(users, left, happened), daemon=True).start()
    failures = 0
    while failures < MAX_FAILURES:
        started = time.monotonic()
        server = start(command, identity=identity)
        threading.Thread(target=wait_for_end, args=(server, happened), daemon=True).start()
        happened.wait()
        happened.clear()
        if left.is_set():
            stop(server)
            return 0
        failures = failures + 1 if time.monotonic() - started < STEADY_SECONDS else 1
        # Backends of a killed server need a moment to notice.
        time.sleep(0.3)
    return 1


def wait_for_last_user(users: int, left: threading.Event, happened: threading.Event) -> None:
    fcntl.flock(users, fcntl.LOCK_EX)
    left.set()
    happened.set()


def start(command: list[str], *, identity: dict[str, Any]) -> subprocess.Popen[bytes]:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def stop_with_guardian() -> None:
        """Asks the kernel for a fast shutdown of the server should the guardian itself be killed."""
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)

    # Called from the main thread, because the kernel means the thread when it says parent.
    return subprocess.Popen(  # noqa: S603 - the command comes from embedded_postgres
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=stop_with_guardian,
        **identity,
    )


def wait_for_end(server: subprocess.Popen[bytes], happened: threading.Event) -> None:
    server.wait()
    happened.set()


def stop(server: subprocess.Popen[bytes]) -> None:
    """Fast, then immediate, then by force; the write-ahead log makes each of them safe."""
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(sign)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


if __name__ == "__main__":
    sys.exit(main())
