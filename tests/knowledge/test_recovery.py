"""The product with real processes: what is killed in mid-sync comes back, and the run goes on soon and to its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from magnet.postgres import embedded_postgres
from magnet.postgres.postgres_place import place_of
from tests.benchmarks import product
from tests.knowledge.test_sync_kills import WORDS_THAT_DIFFER
from tests.processes import data_folder, eventually, living_in

pytestmark = pytest.mark.crash

FILES = 1_500
# With the patience of a busy machine a hundred seconds. On a quiet one, three quarters of a minute.
SECONDS = 25

# Documents that are missing, twice there, or not counted as what they hold.
WRONG_BOOKS = """
with wiki as (select id from knowledge_knowledgesource where slug = 'wiki'),
document as (select d.* from knowledge_document d join wiki on d.source_id = wiki.id),
entry as (select e.* from knowledge_indexeddocument e join document d on d.id = e.document_id)
select (select count(*) from document) - %(files)s,
    (select count(*) from entry where state = 'live') - %(files)s,
    (select count(*) from entry e where chunk_count <> (
        select count(*) from knowledge_chunk c where (c.document_id, c.index_id) = (e.document_id, e.index_id))),
    (select sum(chunk_count) from knowledge_knowledgeindex) - (select count(*) from knowledge_chunk)
"""


@pytest.fixture
def data_dir(first_start) -> Iterator[Path]:
    with data_folder() as folder:
        first_start.copy(folder)
        yield folder


@contextmanager
def syncing(data_dir: Path) -> Iterator[tuple[httpx.Client, str]]:
    """The product, with the first sync of a folder under way; yields the run's id."""
    wiki = data_dir.parent / "wiki"
    wiki.mkdir(parents=True)
    for number in range(FILES):
        (wiki / f"page-{number}.md").write_text(f"# Page {number}\n\n{'All about the bees of this page. ' * 20}")
    variables = {"MAGNET_FOLDER_ROOTS": str(data_dir.parent)}
    with product.started(folder=data_dir, variables=variables) as running, running.client() as client:
        body = {"name": "Wiki", "slug": "wiki", "connector": "folder", "config": {"path": str(wiki)}}
        product.checked(client.post("/api/knowledge-sources", json=body))
        run = product.checked(client.post("/api/knowledge-sources/wiki/sync")).json()
        assert eventually(lambda: 0 < done(client, run["id"]) < FILES, seconds=30), seen(client, run["id"])
        yield client, run["id"]


def seen(client: httpx.Client, run: str) -> dict[str, Any]:
    """The run as the API shows it; nothing while it cannot be asked."""
    try:
        response = client.get(f"/api/sync-runs/{run}")
    except httpx.TransportError:
        return {}
    return dict(response.json()) if response.is_success else {}


def done(client: httpx.Client, run: str) -> int:
    return int(seen(client, run).get("progress", {}).get("done", 0))


def wrong_books(data_dir: Path) -> list[Any]:
    with psycopg.connect(embedded_postgres.url(data_dir)) as connection:
        counts = connection.execute(WRONG_BOOKS, {"files": FILES}).fetchone()
        return [*filter(None, counts or ()), *connection.execute(WORDS_THAT_DIFFER).fetchall()]


def kill_worker(data_dir: Path) -> None:
    cluster = sorted(pid for pid, command in living_in(data_dir).items() if "work --cluster bulk" in command)
    # The cluster, its sentinel, its worker, and the two beside it.
    os.kill(cluster[2], signal.SIGKILL)


def kill_postgres(data_dir: Path) -> None:
    os.kill(int((place_of(data_dir).cluster / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def test_a_sync_whose_worker_and_database_are_killed_goes_on_by_itself_and_nothing_is_lost_or_counted_twice(data_dir):
    with syncing(data_dir) as (client, run):
        # Both in one test, because the wait for a worker that may only be slow is long.
        kill_worker(data_dir)
        kill_postgres(data_dir)
        before = done(client, run)

        assert eventually(lambda: done(client, run) > before, seconds=SECONDS), seen(client, run)
        assert eventually(lambda: seen(client, run).get("status") == "done", seconds=60), seen(client, run)

        receipt = seen(client, run)["receipt"]
        assert (receipt["seen"], receipt["live"]) == (FILES, FILES)
        assert wrong_books(data_dir) == []
