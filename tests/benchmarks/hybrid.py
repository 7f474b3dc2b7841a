"""How long the hybrid statement takes over small and large sources, and what filters cost in time and recall.

python -m tests.benchmarks.hybrid --squad FILE [--sizes 2000,20000,100000] [--questions 300]

Works in a PostgreSQL of its own. Filling it takes some minutes for 100,000 chunks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.corpus import Asked, Paragraph, read, varied
from tests.benchmarks.product import percentile
from tests.processes import data_folder

if TYPE_CHECKING:
    from knowledge.ranking import Question

LIMIT = 10
FILTERS: dict[str, dict[str, Any] | None] = {
    "no filter": None,
    "10 % filter": {"tenth": 3},
    "1 % filter": {"percent": 7},
    "10 % range": {"percent": {"lt": 10}},
    "1 % range": {"percent": {"gte": 50, "lt": 51}},
}


@dataclass(frozen=True)
class Measured:
    milliseconds: list[float]
    recall: float
    rows: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--sizes", default="2000,20000,100000")
    parser.add_argument("--questions", type=int, default=300)
    given = parser.parse_args()
    with data_folder() as folder:
        prepare(folder)
        for size in map(int, given.sizes.split(",")):
            fill(given.squad, size)
            _, questions = read(given.squad)
            chosen = questions[:: max(1, len(questions) // given.questions)]
            asyncio.run(measure_all(f"size-{size}", size, chosen))


def prepare(folder: Path) -> None:
    """An empty database, before Django loads."""
    from magnet.postgres import embedded_postgres

    os.environ |= {"MAGNET_DATA_DIR": str(folder), "DATABASE_URL": embedded_postgres.attach(folder, durable=False)}
    os.environ |= {"DJANGO_SETTINGS_MODULE": "magnet.settings", "MAGNET_LOG_LEVEL": "WARNING"}
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill(squad: Path, size: int) -> None:
    from django.db import connection

    from knowledge import hnsw
    from tests.knowledge.chunks import Page, make_source

    paragraphs, _ = read(squad)
    began = time.monotonic()
    make_source(
        f"size-{size}",
        (Page(str(p.number), p.text, p.title, metadata=numbered(p)) for p in varied(paragraphs, size)),
    )
    filled = time.monotonic()
    hnsw.maintain()
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    print(f"{size} chunks: written in {filled - began:.0f} s, indexed in {time.monotonic() - filled:.0f} s")


def numbered(paragraph: Paragraph) -> dict[str, Any]:
    return {"percent": paragraph.number % 100, "tenth": paragraph.number // 100 % 10}


async def measure_all(slug: str, size: int, questions: Sequence[Asked]) -> None:
    from magnet.database import close_raw_pool

    for name, filter in FILTERS.items():
        measured = await measure(slug, questions, filter=filter)
        p50, p95 = (percentile(measured.milliseconds, share) for share in (0.5, 0.95))
        print(
            f"{size:>7} chunks, {name:<11} p50 {p50:5.1f} ms, p95 {p95:5.1f} ms, "
            f"recall of meaning {measured.recall:.4f}, fewest passages {measured.rows}, load {os.getloadavg()[0]:.1f}"
        )
    await close_raw_pool()


async def measure(slug: str, questions: Sequence[Asked], *, filter: dict[str, Any] | None) -> Measured:
    from knowledge import ranking

    asked = [await question(slug, one.question, filter=filter) for one in questions]
    for one in asked[:10]:
        await ranking.ranked(one)
    milliseconds, fewest = list[float](), LIMIT
    for one in asked:
        began = time.perf_counter()
        rows, _ = await ranking.ranked(one)
        milliseconds.append((time.perf_counter() - began) * 1000)
        fewest = min(fewest, len(rows))
    return Measured(milliseconds, await recall([replace(one, mode="meaning") for one in asked[:100]]), fewest)


async def question(slug: str, text: str, *, filter: dict[str, Any] | None) -> Question:
    from knowledge import generations, retrieval
    from knowledge.filters import compile_filter
    from knowledge.ranking import Question

    searched = await generations.live([slug])
    vectors = await retrieval.vectors_of(text, searched)
    return Question(text, "hybrid", LIMIT, searched, vectors, compile_filter(filter) if filter else None)


async def recall(questions: Sequence[Question]) -> float:
    """The share of the ten nearest chunks that the chosen plan finds, of those that comparing all of them finds."""
    from knowledge import ranking
    from knowledge.statements import Part

    hits = 0
    for one in questions:
        rows, _ = await ranking.ranked(one)
        parts = tuple(Part(g.index_id, g.dimensions, True) for g in one.searched)
        exact = await ranking._rows(one, parts, await ranking._scope(one))
        hits += len({row[0] for row in rows[:LIMIT]} & {row[0] for row in exact[:LIMIT]})
    return hits / (len(questions) * LIMIT)


if __name__ == "__main__":
    main()
