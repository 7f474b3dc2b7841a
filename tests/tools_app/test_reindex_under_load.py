"""The handbook is indexed again while people ask: built, switched to, undone, and no request is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from knowledge import reindex
from knowledge.models import KnowledgeSource
from magnet.default_prompts import ensure_default_prompts
from tests import factories
from tests.knowledge.reindexing import ask_for_chunks_of
from tests.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 3
ASK, SEARCH = "/api/rag-tools/handbook/answer", "/api/knowledge-sources/handbook/search"
QUESTION = "How do I add a knowledge source?"


@pytest.fixture
def handbook(transactional_db, settings, tmp_path) -> KnowledgeSource:
    settings.MEDIA_ROOT, settings.FOLDER_ROOTS = tmp_path / "files", [ROOT / "docs"]
    ensure_default_prompts()
    source = factories.folder_source(ROOT / "docs/handbook", "handbook")
    factories.sync_now(source)
    return source


@contextmanager
def people_asking(live_api, key: str) -> Iterator[list[tuple[int, bool]]]:
    """Ask and search without a break; yields what came back: (status, whether something was found)."""
    came_back: list[tuple[int, bool]] = []
    is_over = threading.Event()

    def ask(client) -> None:
        while not is_over.is_set():
            answer = client.post(ASK, json={"question": QUESTION})
            came_back.append((answer.status_code, bool(answer.json().get("passages"))))
            found = client.post(SEARCH, json={"query": QUESTION, "limit": 3})
            came_back.append((found.status_code, len(found.json().get("passages", ())) == 3))

    with ThreadPoolExecutor(PEOPLE) as threads:
        asking = [threads.submit(ask, live_api.client(key)) for _ in range(PEOPLE)]
        try:
            yield came_back
        finally:
            is_over.set()
    for done in asking:
        done.result()


def wait_for_more(came_back: list[tuple[int, bool]], count: int = 10) -> None:
    enough, waited = len(came_back) + count, threading.Event()
    for _ in range(1_200):
        if len(came_back) >= enough:
            return
        waited.wait(0.05)
    raise AssertionError("Nobody was answered for a minute.")


def test_no_request_is_dropped_while_it_is_built_switched_and_undone(handbook, live_api, issue_key):
    key = issue_key()
    made = live_api.client(key).post("/api/rag-tools", json={"name": "Handbook", "sources": ["handbook"]})
    assert made.status_code == 201, made.text
    ask_for_chunks_of(handbook, 128)

    with people_asking(live_api, key) as came_back:
        wait_for_more(came_back)
        index = reindex.run_to_end(reindex.start(handbook))
        wait_for_more(came_back)
        reindex.switch(index)
        assert handbook.live_index == index
        wait_for_more(came_back)
        reindex.undo(index)
        wait_for_more(came_back)

    assert handbook.live_index.number == 1
    assert set(came_back) == {(200, True)}
