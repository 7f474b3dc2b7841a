"""Keeps programs running side by side: starts them, starts them again, and stops them together."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.2
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# A program that lived this long had started well: its next end is not one more failure to start.
STEADY_SECONDS = 20.0
MAX_FAILURES = 6


@dataclass(frozen=True)
class Program:
    """A command to keep running; `descriptors` are open files it inherits, `held_seconds` how long others go first."""

    name: str
    command: Sequence[str]
    descriptors: Sequence[int] = ()
    stop_seconds: float = 10.0
    held_seconds: float = 0.0


class Keeper:
    """One program's process, and when it is started again."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_again_at = 0.0
        self.failures = 0

    @property
    def has_given_up(self) -> bool:
        return self.failures >= MAX_FAILURES

    def look(self) -> None:
        """Start the program where it is not running and its pause is over."""
        if self.process and self.process.poll() is not None:
            self._note_end(self.process.returncode)
        if self.process is None and time.monotonic() >= self.start_again_at:
            self._start()

    def _start(self) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - the commands are ours
            list(self.program.command),
            pass_fds=self.program.descriptors,
            stdin=subprocess.DEVNULL,
            # Ctrl-C in the terminal reaches only us, so that the end is orderly.
            start_new_session=True,
        )

    def _note_end(self, status: int) -> None:
        self.process = None
        lived = time.monotonic() - self.started_at
        self.failures = self.failures + 1 if lived < STEADY_SECONDS else 1
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (self.failures - 1))
        self.start_again_at = time.monotonic() + pause
        log.warning("program_ended", program=self.program.name, status=status, starts_again_in_seconds=pause)

    def ask_to_stop(self) -> None:
        if self.process:
            self.process.terminate()

    def make_stop(self, *, deadline: float) -> None:
        if not self.process:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("program_killed", program=self.program.name)
            self.process.kill()
            self.process.wait()


class Supervisor:
    def __init__(
        self,
        programs: Sequence[Program],
        *,
        running: Sequence[Keeper] = (),
        look_after: Callable[[], None] | None = None,
        parent: int | None = None,
    ) -> None:
        """`running` are kept beside the programs; `look_after` is called some times a second.

        Where `parent` is named, its end is ours too.
        """
        self.keepers = [*running, *map(Keeper, programs)]
        self.look_after = look_after
        self.parent = parent
        self.is_stopping = False

    def run(self) -> int:
        """Blocks until a signal or the parent's end asks to stop (0), or a program cannot be kept running (1)."""
        before = {sign: signal.signal(sign, self._stop) for sign in stop_signals()}
        try:
            return self._keep_running()
        finally:
            self._stop_all()
            for sign, handler in before.items():
                signal.signal(sign, handler)

    def _stop(self, sign: int, frame: FrameType | None) -> None:
        self.is_stopping = True

    def _keep_running(self) -> int:
        for keeper in self.keepers:
            keeper.start_again_at = time.monotonic() + keeper.program.held_seconds
        while not self.is_stopping and self.parent in {None, os.getppid()}:
            for keeper in self.keepers:
                keeper.look()
                if keeper.has_given_up:
                    log.error("program_cannot_start", program=keeper.program.name, failures=keeper.failures)
                    return 1
            if self.look_after:
                self.look_after()
            time.sleep(LOOK_SECONDS)
        return 0

    def _stop_all(self) -> None:
        """All are asked at once, so that the whole takes as long as the slowest."""
        asked_at = time.monotonic()
        for keeper in self.keepers:
            keeper.ask_to_stop()
        for keeper in self.keepers:
            keeper.make_stop(deadline=asked_at + keeper.program.stop_seconds)


def stop_signals() -> list[signal.Signals]:
    """A closed terminal stops us too, unless we were started with nohup."""
    is_kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([] if is_kept else [signal.SIGHUP])]
