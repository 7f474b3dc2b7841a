"""The product as benchmarks use it: over its HTTP API, at an address that is given or started for the occasion."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.corpus import Paragraph
from tests.processes import PYTHON, ROOT, data_folder, environment, free_port, living_in

AT_ONCE = 1_000
START_SECONDS = 120
RUN_SECONDS = 3_600


@dataclass
class Product:
    base_url: str
    api_key: str
    # The parent of all its processes, and when it was started; None where it was already there.
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    data_dir: Path | None = None

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, headers=self.headers, timeout=120, **options)

    def async_client(self, *, connections: int) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        return httpx.AsyncClient(base_url=self.base_url, headers=self.headers, timeout=120, limits=limits)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def web_process(self) -> int:
        """The id of the process that serves HTTP."""
        assert self.process is not None
        for pid in children(self.process.pid):
            if b"\0web\0" in Path(f"/proc/{pid}/cmdline").read_bytes() + b"\0":
                return pid
        raise RuntimeError("The web process was not found.")


@contextmanager
def started(*, folder: Path | None = None, variables: Mapping[str, str] | None = None) -> Iterator[Product]:
    """`manage.py start` on a free port, in this data folder or in one of its own, which is gone afterwards."""
    with ExitStack() as stack:
        where = folder or stack.enter_context(data_folder())
        port = free_port()
        process, log = stack.enter_context(running(where, port, variables or {}))
        began = time.monotonic()
        key = wait_until_ready(port, where, process, log=log)
        yield Product(f"http://127.0.0.1:{port}", key, process, began, where)


@contextmanager
def running(folder: Path, port: int, variables: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    limits = {"PORT": str(port), "MAGNET_REQUESTS_PER_MINUTE": "1000000"}
    with (folder.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, "manage.py", "start"],
            cwd=ROOT,
            env=environment(folder, **limits, **variables),
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            yield process, Path(log.name)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wait_until_ready(port: int, folder: Path, process: subprocess.Popen[bytes], *, log: Path) -> str:
    """Waits for the first answer and returns the key that the first start made."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/live").is_success:
                return (folder / "api_key.txt").read_text().strip()
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"The product did not start:\n{log.read_text()[-3000:]}")


@contextmanager
def at(base_url: str, api_key: str) -> Iterator[Product]:
    if base_url:
        yield Product(base_url.rstrip("/"), api_key)
        return
    with started() as product:
        yield product


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_all(folder: Path) -> float:
    """User and system time of all processes of a data folder (web, workers, PostgreSQL), and of those that ended.

    A busy machine makes everything take longer, and hardly more of this.
    """
    return sum(_cpu_seconds_with_ended(pid) for pid in living_in(folder))


def _cpu_seconds_with_ended(pid: int) -> float:
    """With its children that have ended; 0 for one that has just ended itself, whose parent says it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("The process is gone.")


# -- What a benchmark fills it with --------------------------------------------------------------------------------


def make_source(client: httpx.Client, slug: str, *, model: str = "", language: str = "") -> None:
    body: dict[str, Any] = {"name": slug, "slug": slug, "connector": "upload", "language": language}
    checked(client.post("/api/knowledge-sources", json=body | ({"embedding_model": model} if model else {})))


def fill(client: httpx.Client, slug: str, paragraphs: Iterable[Paragraph]) -> float:
    """Push each paragraph as a document titled by its article, and wait; returns the seconds it took."""
    began, waiting = time.monotonic(), iter(paragraphs)
    while batch := list(islice(waiting, AT_ONCE)):
        documents = [
            {
                "remote_id": str(paragraph.number),
                "title": paragraph.title,
                "text": paragraph.text,
                "media_type": "text/plain",
                "metadata": {"percent": paragraph.number % 100},
            }
            for paragraph in batch
        ]
        pushed = checked(client.post(f"/api/knowledge-sources/{slug}/documents", json={"documents": documents}))
    if run := pushed.json()["run"]:
        wait_for(client, run["id"])
    return time.monotonic() - began


def wait_for(client: httpx.Client, run: str) -> dict[str, Any]:
    """The finished run."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        state: dict[str, Any] = checked(client.get(f"/api/sync-runs/{run}")).json()
        if state["status"] in ("done", "failed", "cancelled"):
            if state["status"] != "done":
                raise RuntimeError(f"The sync ended as {state['status']}: {state}")
            return state
        time.sleep(0.2)
    raise RuntimeError("The sync did not end.")


def remove_source(client: httpx.Client, slug: str) -> None:
    checked(client.delete(f"/api/knowledge-sources/{slug}"))


def checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise RuntimeError(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")
    return response


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
