"""What the product adds to a model's own time when it answers with citations, and what an answer costs it.

python -m tests.benchmarks.answers --squad FILE [--sizes 2000,50000] [--latency-ms 200] [--answers 200] [--clients 32]

Starts the product in a data folder of its own, with a fake model server of this latency that streams 60 deltas.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks import product
from tests.benchmarks.corpus import Asked, read, varied
from tests.benchmarks.product import Product, checked, percentile
from tests.processes import data_folder

DELTAS = 60
STREAM = {"Accept": "text/event-stream"}
HNSW_SECONDS = 600
HNSW_FROM = 10_000


def main() -> None:
    given = arguments()
    variables = {"MAGNET_ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}
    with fake_model(given.latency_ms) as model_url, data_folder() as folder:
        with product.started(folder=folder) as running, running.client() as client:
            tell_of_the_start("first start", running, client)
        with product.started(folder=folder, variables=variables) as running, running.client() as client:
            tell_of_the_start("second start", running, client)
            measure_all(given, running, client, model_url)


def measure_all(given: argparse.Namespace, running: Product, client: httpx.Client, model_url: str) -> None:
    _, questions = read(given.squad)
    questions = questions[:: max(1, len(questions) // given.answers)]
    add_model(client, model_url)
    for size in map(int, given.sizes.split(",")):
        tool = prepare(client, given.squad, size)
        measure(running, tool, questions, latency_ms=given.latency_ms, clients=given.clients)
    print(f"memory of the web process, loaded: {product.resident_mb(running.web_process()):.0f} MB")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--sizes", default="2000,50000", help="chunks in the source")
    parser.add_argument("--latency-ms", type=float, default=200)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--clients", type=int, default=32)
    return parser.parse_args()


@contextmanager
def fake_model(latency_ms: float) -> Iterator[str]:
    """In a process of its own, so that it does not share the interpreter with the clients."""
    command = [sys.executable, "-m", "tests.fake_openai", "--latency-ms", str(latency_ms), "--deltas", str(DELTAS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def tell_of_the_start(name: str, running: Product, client: httpx.Client) -> None:
    """The demo's own tool, answered by the built-in answerer as soon as the product answers at all."""
    idle = product.resident_mb(running.web_process())
    body = {"question": "How do I add a knowledge source?"}
    while client.post("/api/rag-tools/handbook/answer", json=body).is_error:
        time.sleep(0.02)
    seconds = time.monotonic() - running.started_at
    print(f"{name} to first answer: {seconds:.1f} s; memory of the web process, idle: {idle:.0f} MB")


def add_model(client: httpx.Client, model_url: str) -> None:
    provider = {"name": "Fake", "slug": "fake", "kind": "openai", "base_url": model_url, "api_key": "sk-fake"}
    checked(client.post("/api/providers", json=provider))
    model = {"name": "Fake", "slug": "fake-chat", "provider": "fake", "model_name": "gpt-fake", "purpose": "chat"}
    checked(client.post("/api/models", json=model))


def prepare(client: httpx.Client, squad: Path, size: int) -> str:
    slug = f"size-{size}"
    product.make_source(client, slug)
    seconds = product.fill(client, slug, varied(read(squad)[0], size))
    print(f"\n{size} paragraphs: indexed in {seconds:.0f} s")
    tool = {"name": slug, "slug": slug, "sources": [slug], "ai_model": "fake-chat", "minimum_score": 0}
    checked(client.post("/api/rag-tools", json=tool))
    if size >= HNSW_FROM:
        # The vector index is built beside the workers; what follows is measured with it.
        wait_for_index(client, slug)
    return slug


def wait_for_index(client: httpx.Client, slug: str) -> None:
    """Until searches are no longer slow: nothing in the API tells of the index, because nobody needs to know."""
    deadline, fast = time.monotonic() + HNSW_SECONDS, 0
    while time.monotonic() < deadline and fast < 5:
        began = time.perf_counter()
        checked(client.post(f"/api/knowledge-sources/{slug}/search", json={"query": "history", "mode": "meaning"}))
        fast = fast + 1 if time.perf_counter() - began < 0.03 else 0
        time.sleep(1)


def measure(running: Product, tool: str, questions: list[Asked], *, latency_ms: float, clients: int) -> None:
    asyncio.run(ask_all(running, tool, questions[:20], clients=1))
    pid = running.web_process()
    for name, headers in (("whole", {}), (f"streamed in {DELTAS} deltas", STREAM)):
        began = product.cpu_seconds(pid)
        seconds = asyncio.run(ask_all(running, tool, questions, clients=1, headers=headers))
        cpu = (product.cpu_seconds(pid) - began) * 1000 / len(seconds)
        added = [second * 1000 - latency_ms for second in seconds]
        print(
            f"  {name}, 1 client: added p50 {percentile(added, 0.5):.1f} ms, p95 {percentile(added, 0.95):.1f} ms, "
            f"CPU of the web process {cpu:.1f} ms an answer, load {os.getloadavg()[0]:.1f}"
        )
    began, cpu_before = time.monotonic(), product.cpu_seconds(pid)
    asked = questions * (1 + 10 * clients // len(questions))
    asyncio.run(ask_all(running, tool, asked, clients=clients))
    elapsed, cpu = time.monotonic() - began, product.cpu_seconds(pid) - cpu_before
    print(
        f"  {clients} clients: {len(asked) / elapsed:.0f} answers/s, "
        f"CPU of the web process {cpu * 1000 / len(asked):.1f} ms an answer, load {os.getloadavg()[0]:.1f}"
    )


async def ask_all(
    running: Product, tool: str, questions: list[Asked], *, clients: int, headers: dict[str, str] | None = None
) -> list[float]:
    """The seconds that each answer took, until its last byte."""
    waiting, seconds = iter(questions), list[float]()

    async def client_asks(client: httpx.AsyncClient) -> None:
        for asked in waiting:
            began = time.perf_counter()
            body: dict[str, Any] = {"question": asked.question}
            answer = checked(await client.post(f"/api/rag-tools/{tool}/answer", json=body, headers=headers or {}))
            seconds.append(time.perf_counter() - began)
            assert headers is None or not headers or "event: completed" in answer.text, answer.text[-500:]

    async with running.async_client(connections=clients) as client:
        await asyncio.gather(*(client_asks(client) for _ in range(clients)))
    return seconds


if __name__ == "__main__":
    main()
