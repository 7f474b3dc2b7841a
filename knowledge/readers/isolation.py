"""Reading in a child process: a file that loops, eats memory or crashes its parser costs that file, not the worker.

Each process has one child, started when the first such file comes and used for many. It runs without Django, without
our secrets in its environment, and under limits of time and memory. Lengths stand in front of all messages.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, Timer
from typing import IO, Any

from knowledge.readers.base import Extract, Reader
from knowledge.readers.messages import Broken, receive, send
from magnet.errors import ReaderStopped, ReaderUnavailable, UnreadableDocument

# Libraries lose a little memory with each file.
MOST_FILES = 2_000
# How long the first words of a child may take on a machine that is busy.
START_SECONDS = 60
# A child that waits for the processor is not to blame: its own time is limited, and the clock only beyond this factor.
PATIENCE = 3
# What text recognition needs to be found; nothing else is handed on.
TIME_IS_OVER = frozenset({-signal.SIGXCPU, -signal.SIGALRM})
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TESSDATA_PREFIX", "SYSTEMROOT", "TMPDIR")


@dataclass(frozen=True)
class Limits:
    """For one file: seconds of computing, and megabytes of memory with everything that the libraries need."""

    seconds: int
    megabytes: int

    @classmethod
    def configured(cls) -> Limits:
        from django.conf import settings

        return cls(settings.READER_SECONDS, settings.READER_MEMORY_MB)


def read_isolated(reader: type[Reader], body: bytes, *, filename: str, limits: Limits | None = None) -> Extract:
    """As `reader().read(…)`, in the child. Raises ReaderStopped where the child had to be given up."""
    limits = limits or Limits.configured()
    with _LOCK:
        child = _child(limits)
        header = {"reader": f"{reader.__module__}:{reader.__qualname__}", "filename": filename}
        try:
            with child.deadline(PATIENCE * limits.seconds):
                send(child.requests, json.dumps(header).encode(), body)
                (reply,) = receive(child.replies, parts=1)
        except (Broken, OSError) as error:
            raise given_up(child, filename=filename) from error
        child.files += 1
        told: dict[str, Any] = json.loads(reply)
        if told["is_swollen"]:
            stop()
        if told["kind"] != "extract":
            raise refused(told, filename=filename)
    return Extract(told["text"], told["title"], tuple(told["page_starts"]), told["metadata"])


def refused(told: dict[str, Any], *, filename: str) -> Exception:
    """What the child says instead of a text; after running out of memory it is not asked again."""
    if told["kind"] == "memory":
        stop()
        return stopped(filename, "reading it needed more memory than a file may take")
    if told["kind"] == "unreadable":
        return UnreadableDocument(told["sentence"])
    return stopped(filename, f"the reader failed ({told['error']})")


def given_up(child: Child, *, filename: str) -> ReaderStopped:
    """End a child that does not answer, and say how it went."""
    code = child.end()
    _forget()
    if child.is_overdue or code in TIME_IS_OVER:
        return stopped(filename, f"reading it took more than {child.limits.seconds} s")
    if code == -signal.SIGKILL:
        return stopped(filename, "reading it needed more memory than the machine has")
    return stopped(filename, "the reader crashed")


def stopped(filename: str, why: str) -> ReaderStopped:
    name = f"“{filename}”" if filename else "This document"
    return ReaderStopped(
        f"{name} made its reader stop: {why}. The file may be damaged, or too large; "
        "save it again or split it into smaller files, and upload the result."
    )


def stop() -> None:
    """End the child of this process; the next file gets a new one."""
    if _STATE.child is not None and _STATE.child.owner == os.getpid():
        _STATE.child.end()
    _forget()


class Child:
    """The other process, and the pipes to and from it."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.files, self.owner, self.is_overdue = limits, 0, os.getpid(), False
        self.process = subprocess.Popen(  # noqa: S603 (our own module, in our own interpreter)
            [sys.executable, "-m", "knowledge.readers.child", str(limits.seconds), str(limits.megabytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
            | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.requests: IO[bytes] = self.process.stdin
        self.replies: IO[bytes] = self.process.stdout

    def is_usable(self, limits: Limits) -> bool:
        is_same = self.limits == limits and self.owner == os.getpid() and self.files < MOST_FILES
        return is_same and not self.is_overdue and self.process.poll() is None

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Kill the child when the time is over, which ends every wait for it."""
        timer = Timer(seconds, self._overdue)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _overdue(self) -> None:
        self.is_overdue = True
        self.process.kill()

    def end(self) -> int:
        """Close the pipes and wait for the end, helped along if need be; returns how it ended."""
        for pipe in (self.requests, self.replies):
            try:
                pipe.close()
            except OSError:
                continue
        try:
            return self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _child(limits: Limits) -> Child:
    """The child of this process, started if there is none; a forked process never uses that of its parent."""
    if _STATE.child is not None and _STATE.child.is_usable(limits):
        return _STATE.child
    stop()
    child = Child(limits)
    try:
        with child.deadline(START_SECONDS):
            receive(child.replies, parts=1)
    except (Broken, OSError) as error:
        code = child.end()
        raise ReaderUnavailable(
            f"The process that reads files did not start (it ended with {code}). "
            "Look whether the machine has memory left, and raise MAGNET_READER_MEMORY_MB if it is low."
        ) from error
    _STATE.child = child
    return child


@dataclass
class _State:
    child: Child | None = None


_STATE = _State()
_LOCK = Lock()


def _forget() -> None:
    _STATE.child = None


def _after_fork() -> None:
    """The pipes belong to the parent: held here, they would keep its child waiting after the parent's end."""
    global _LOCK
    _LOCK = Lock()
    if _STATE.child is not None:
        for pipe in (_STATE.child.requests, _STATE.child.replies):
            os.close(pipe.fileno())
    _forget()


os.register_at_fork(after_in_child=_after_fork)
