"""How many chunks and documents a second an upload becomes searchable, with the built-in embeddings, which are free.

python -m tests.benchmarks.ingest --squad FILE [--documents 5000] [--paragraphs 5] [--changed 1]

Starts the product in a data folder of its own. Afterwards some documents change, and only they are embedded again.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import httpx

from tests.benchmarks import product
from tests.benchmarks.corpus import Paragraph, read, varied

SLUG = "ingest"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--paragraphs", type=int, default=5, help="in each document")
    parser.add_argument("--changed", type=float, default=1, help="percent of the documents that change afterwards")
    given = parser.parse_args()
    documents = list(made(given.squad, given.documents, paragraphs=given.paragraphs))
    changed = [
        Paragraph(document.number, document.title, f"{document.text}\n\nAdded later.")
        for document in documents[:: max(1, int(100 / given.changed))]
    ]
    with product.started() as running, running.client() as client:
        product.make_source(client, SLUG)
        measure("first", documents, running, client)
        measure("changed", changed, running, client)


def made(squad: Path, count: int, *, paragraphs: int) -> Iterator[Paragraph]:
    """Documents of several paragraphs each."""
    pieces = varied(read(squad)[0], count * paragraphs)
    for number in range(count):
        group = list(islice(pieces, paragraphs))
        yield Paragraph(number, group[0].title, "\n\n".join(piece.text for piece in group))


def measure(name: str, documents: list[Paragraph], running: product.Product, client: httpx.Client) -> None:
    assert running.data_dir is not None
    before = product.cpu_seconds_of_all(running.data_dir)
    seconds = product.fill(client, SLUG, documents)
    cpu = product.cpu_seconds_of_all(running.data_dir) - before
    source = product.checked(client.get(f"/api/knowledge-sources/{SLUG}")).json()
    (run, *_) = product.checked(client.get("/api/sync-runs", params={"limit": 1})).json()["items"]
    chunks, embedded = source["chunk_count"], run["chunks_embedded"]
    print(
        f"{name}: {len(documents)} documents in {seconds:.1f} s = {len(documents) / seconds:.0f} documents/s, "
        f"{embedded} chunks embedded = {embedded / seconds:.0f} chunks/s, {chunks} chunks in all; "
        f"{cpu:.1f} s of CPU in all processes = {1_000 * cpu / max(embedded, 1):.2f} ms a chunk, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    time.sleep(1)


if __name__ == "__main__":
    main()
