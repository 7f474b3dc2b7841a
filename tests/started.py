"""A Magnet that `manage.py start` runs, and data folders as a first start leaves them."""

from __future__ import annotations

import fcntl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from magnet.postgres.postgres_place import NOTE
from tests.processes import PYTHON, ROOT, data_folder, environment, eventually, free_port, living_in

START = [PYTHON, str(ROOT / "manage.py"), "start"]
# A first start makes a database and seeds the demo, on machines that may be busy with other tests.
PATIENCE_SECONDS = 120


@dataclass
class Started:
    process: subprocess.Popen[bytes]
    data_dir: Path
    port: int

    @property
    def output(self) -> str:
        return (self.data_dir.parent / "output.txt").read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_live(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/live", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def processes(self, *words: str) -> list[int]:
        return [pid for pid, command in living_in(self.data_dir).items() if all(word in command for word in words)]


@contextmanager
def start(data_dir: Path, *, through: list[str] = START) -> Iterator[Started]:
    """Starts Magnet, waits until it has said what to try, and kills it where the test has not ended it."""
    data_dir.parent.mkdir(exist_ok=True)
    port = free_port()
    with (data_dir.parent / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            through,
            env=environment(data_dir, PORT=str(port), PYTHONUNBUFFERED="1"),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    started = Started(process, data_dir, port)
    try:
        has_greeted = eventually(
            lambda: "Stop with Ctrl-C" in started.output or process.poll() is not None, seconds=PATIENCE_SECONDS
        )
        assert has_greeted, started.output
        assert process.poll() is None, started.output
        yield started
    finally:
        process.kill()
        process.wait()
        eventually(lambda: not living_in(data_dir), seconds=60)


@dataclass(frozen=True)
class FirstStart:
    """What a first start leaves behind, made once for all workers that share the tests: it takes longest of all."""

    kept: Path

    def make_once(self) -> None:
        with self.kept.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.kept.exists():
                self._make()

    def _make(self) -> None:
        with data_folder() as folder:
            with start(folder) as started:
                started.process.terminate()
                assert started.process.wait(PATIENCE_SECONDS) == 0, started.output
                assert eventually(lambda: not living_in(folder), seconds=60), living_in(folder)
            whole = self.kept.with_suffix(".new")
            copy(folder, whole)
            whole.rename(self.kept)

    def copy(self, to: Path) -> None:
        """Another one like it; nothing where the cluster lies outside its data folder, which then starts for the first
        time.
        """
        if not (self.kept / "postgres" / NOTE).exists():
            copy(self.kept, to)


def copy(folder: Path, to: Path) -> None:
    # With its owners, which Python would not copy.
    subprocess.run(["cp", "-a", str(folder), str(to)], check=True)
