"""Real workers over real files, killed at random moments: no word is lost or counted twice, and every run ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from knowledge import sync, uploads
from knowledge.models import Chunk, Document, IndexedDocument, KnowledgeIndex, KnowledgeSource, SyncRun
from tests import factories
from tests.processes import PYTHON, ROOT

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = 50
FILES = 36
# Each group of kills falls into the same run; then a worker may live to the end of it.
KILLS_OF_A_RUN = 5

# The words and their counts as the chunks have them, and as they are kept; without a difference, nothing.
WORDS_THAT_DIFFER = """
select coalesce(c.lexeme, w.lexeme), c.n, w.document_frequency from (
    select c.index_id, u.lexeme, count(*) as n from knowledge_chunk c cross join lateral unnest(c.lexemes) u
    group by 1, 2) c
full join knowledge_word w on w.index_id = c.index_id and w.lexeme = c.lexeme
where c.n is distinct from w.document_frequency
"""


class Workers:
    """Starts one worker after the other, in processes of their own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def start(self) -> int:
        assert self.process.stdin is not None
        # As the clock would, but without the forty seconds in which the last worker might only be slow.
        SyncRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.said())

    def kill(self, pid: int, *, after_seconds: float) -> bool:
        """Whether it was still at work."""
        time.sleep(after_seconds)
        try:
            os.kill(pid, signal.SIGKILL)
            struck = True
        except ProcessLookupError:
            struck = False
        assert self.said() == "over"
        return struck

    def let_live(self) -> float:
        """Until nothing is left to do; says how long that took."""
        began = time.monotonic()
        self.start()
        assert self.said() == "over"
        return time.monotonic() - began


@pytest.fixture
def wiki(tmp_path: Path, settings) -> Path:
    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [tmp_path], tmp_path / "media"
    folder = tmp_path / "wiki"
    folder.mkdir()
    for number in range(FILES):
        write(folder, number, edition=0)
    return folder


@pytest.fixture
def workers(wiki: Path) -> Iterator[Workers]:
    database, media = str(connection.settings_dict["NAME"]), str(wiki.with_name("media"))
    command = [PYTHON, "-m", "tests.knowledge.doomed_worker", database, str(wiki.parent), media]
    variables = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    workers = Workers(process)
    assert workers.said() == "ready"
    yield workers
    process.communicate()


def write(folder: Path, number: int, *, edition: int) -> None:
    paragraphs = [f"Paragraph {n} of page{number} in edition{edition} says {'and again ' * 40}." for n in range(8)]
    (folder / f"page-{number}.md").write_text(f"# Page {number}\n\n" + "\n\n".join(paragraphs))


def change(folder: Path, *, edition: int, chance: random.Random) -> int:
    """Some pages change, one goes, one comes; returns how many there are."""
    for number in chance.sample(range(FILES), 12):
        write(folder, number, edition=edition)
    sorted(folder.iterdir())[chance.randrange(FILES)].unlink()
    write(folder, FILES + edition, edition=edition)
    return len(list(folder.iterdir()))


def assert_counts_are_exact() -> None:
    """At every moment, whatever was killed: each document is written with its words and its ledger, or not at all."""
    with connection.cursor() as cursor:
        cursor.execute(WORDS_THAT_DIFFER)
        assert cursor.fetchall() == []
    for index in KnowledgeIndex.objects.all():
        assert index.chunk_count == index.chunks.count()
        assert index.lexeme_total == sum(index.chunks.values_list("lexeme_count", flat=True))
    for entry in IndexedDocument.objects.all():
        assert entry.chunk_count == Chunk.objects.filter(document_id=entry.document_id, index_id=entry.index_id).count()


def assert_the_source_is_as_the_folder(source: KnowledgeSource, folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == set(source.documents.values_list("remote_id", flat=True))
    for document in Document.objects.all():
        assert document.text == (folder / document.remote_id).read_text()
        assert b"".join(document.file.chunks()) == (folder / document.remote_id).read_bytes()


def refused() -> list[Document]:
    """Innocent documents that were hit three times by chance; a person would try them again."""
    return list(Document.objects.filter(ledger__failure_code="worker_stopped"))


def test_workers_that_are_killed_at_fifty_moments_lose_nothing_and_count_nothing_twice(wiki, workers):
    chance = random.Random(2_611)
    source = factories.folder_source(wiki, deletion_guard_percent=100)
    sync.start(source)
    life = workers.let_live()

    kills = edition = 0
    while kills < KILLS:
        edition += 1
        pages = change(wiki, edition=edition, chance=chance)
        run = sync.start(source)
        for _ in range(KILLS_OF_A_RUN):
            struck = workers.kill(workers.start(), after_seconds=chance.uniform(0, life))
            # Moments when nobody works any more are of no use.
            kills, life = (kills + 1, life) if struck else (kills, life * 0.8)
            assert_counts_are_exact()
        workers.let_live()
        if documents := refused():
            (run,) = uploads.retry(documents)
            workers.let_live()
        run.refresh_from_db()
        assert run.status == "done", run.error
        assert run.receipt["seen"] == run.receipt["live"] == pages
        assert_counts_are_exact()
        assert_the_source_is_as_the_folder(source, wiki)


def test_a_document_that_kills_its_worker_is_refused_after_three_and_the_others_are_live(wiki, workers):
    (wiki / "deadly.md").write_text("Whoever reads this dies.")
    source = factories.folder_source(wiki)
    run = sync.start(source)
    for _ in range(3):
        workers.let_live()
        run.refresh_from_db()
        assert not run.is_finished
    workers.let_live()

    run.refresh_from_db()
    assert (run.status, run.receipt["live"], run.receipt["failed"]) == ("done", FILES, 1)
    guilty = IndexedDocument.objects.get(state="failed")
    assert (guilty.document.remote_id, guilty.attempts) == ("deadly.md", 3)
    assert "made the worker stop three times" in guilty.failure
    assert_counts_are_exact()
