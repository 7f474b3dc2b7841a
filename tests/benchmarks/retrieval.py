"""How often a search finds the paragraph that answers the question, and how fast, through the HTTP API.

python -m tests.benchmarks.retrieval --squad FILE [--base-url http://localhost:8000 --api-key KEY --model SLUG]
                                     [--mode words] [--half tuning|proving] [--clients 2] [--questions 1000]

Without --base-url the product is started in a data folder of its own. The source is removed afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.benchmarks import product
from tests.benchmarks.corpus import Asked, read

LIMIT = 10
NOT_FOUND = 1_000_000


@dataclass(frozen=True)
class Answered:
    # The place of the right paragraph, from 0.
    place: int
    seconds: float


def main() -> None:
    given = arguments()
    paragraphs, questions = read(given.squad)
    halves = {"all": questions, "tuning": questions[::2], "proving": questions[1::2]}
    questions = halves[given.half]
    questions = questions[:: max(1, len(questions) // given.questions)] if given.questions else questions
    with product.at(given.base_url, given.api_key) as running, running.client() as client:
        slug = f"benchmark-{os.getpid()}"
        product.make_source(client, slug, model=given.model, language=given.language)
        try:
            seconds = product.fill(client, slug, paragraphs)
            print(f"{len(paragraphs)} paragraphs indexed in {seconds:.1f} s")
            answered = asyncio.run(ask_all(running, slug, questions, mode=given.mode, clients=given.clients))
        finally:
            product.remove_source(client, slug)
    print(report(answered))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, required=True, help="a question set in the shape of SQuAD")
    parser.add_argument("--base-url", default="")
    parser.add_argument("--api-key", default=os.environ.get("MAGNET_BENCHMARK_KEY", ""))
    parser.add_argument("--model", default="", help="the embedding model's slug; by default the default model")
    parser.add_argument("--language", default="", help="of the source; by default found out for each document")
    parser.add_argument("--mode", default="hybrid", choices=("hybrid", "meaning", "words"))
    parser.add_argument("--half", default="all", choices=("all", "tuning", "proving"))
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--questions", type=int, default=None, help="about so many, evenly chosen")
    return parser.parse_args()


async def ask_all(
    running: product.Product, slug: str, questions: list[Asked], *, mode: str, clients: int
) -> list[Answered]:
    waiting, answered = iter(questions), list[Answered]()

    async def client_asks(client: httpx.AsyncClient) -> None:
        for asked in waiting:
            answered.append(await ask(client, slug, asked, mode=mode))

    async with running.async_client(connections=clients) as client:
        await asyncio.gather(*(client_asks(client) for _ in range(clients)))
    return answered


async def ask(client: httpx.AsyncClient, slug: str, asked: Asked, *, mode: str) -> Answered:
    body = {"query": asked.question, "limit": LIMIT, "mode": mode}
    began = time.perf_counter()
    response = product.checked(await client.post(f"/api/knowledge-sources/{slug}/search", json=body))
    seconds = time.perf_counter() - began
    found = [passage["document"]["remote_id"] for passage in response.json()["passages"]]
    # A long paragraph is several chunks: a document counts where it comes first.
    documents = list(dict.fromkeys(found))
    right = str(asked.paragraph)
    return Answered(documents.index(right) if right in documents else NOT_FOUND, seconds)


def report(answered: list[Answered]) -> str:
    places = [one.place for one in answered]
    hits = " ".join(f"h@{k} {sum(place < k for place in places) / len(places):.4f}" for k in (1, 5, 10))
    reciprocal = sum(1 / (place + 1) for place in places if place < LIMIT) / len(places)
    milliseconds = [one.seconds * 1000 for one in answered]
    p50, p95 = (product.percentile(milliseconds, share) for share in (0.5, 0.95))
    return f"{len(answered)} questions: {hits} MRR@10 {reciprocal:.4f} | p50 {p50:.1f} ms, p95 {p95:.1f} ms"


if __name__ == "__main__":
    main()
