"""Two clusters of workers on one PostgreSQL, as on two machines: every document is indexed once, whoever does it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Sum

from knowledge import sync
from knowledge.models import Chunk, Document, IndexedDocument, KnowledgeIndex, KnowledgeSource, SyncRun
from magnet.models import WorkerHeartbeat
from tests import factories
from tests.knowledge.test_sync_kills import WORDS_THAT_DIFFER
from tests.processes import PYTHON, ROOT, environment, eventually, url_of_test_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.crash]

SOURCES, FILES = 6, 8
MOST_ROUNDS = 6


class Cluster:
    """One `manage.py work` for long tasks, and what it has said."""

    def __init__(self, folder: Path, *, name: str) -> None:
        own = {
            "DATABASE_URL": url_of_test_database(),
            "MAGNET_FILES_DIR": str(folder / "files"),
            "MAGNET_FOLDER_ROOTS": str(folder),
            # As on two machines: tasks are signed.
            "MAGNET_SECRET_KEY": settings.SECRET_KEY,
            "MAGNET_ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS),
            "MAGNET_LOG_FORMAT": "json",
            "MAGNET_BULK_WORKERS": "1",
        }
        self.log = folder / f"{name}.log"
        command = [PYTHON, str(ROOT / "manage.py"), "work", "--cluster", "bulk", "--parent", str(os.getpid())]
        with self.log.open("wb") as said:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment(folder / name, **own), stdout=said, stderr=said
            )

    @property
    def has_synced(self) -> bool:
        return "source_synced" in self.log.read_text()


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch) -> Iterator[list[Cluster]]:
    monkeypatch.setattr(settings, "FOLDER_ROOTS", [tmp_path])
    monkeypatch.setattr(settings, "MEDIA_ROOT", tmp_path / "files")
    started = [Cluster(tmp_path, name=name) for name in ("one", "two")]
    yield started
    for cluster in started:
        cluster.process.kill()
        cluster.process.wait()


def write(folder: Path, *, edition: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(FILES):
        said = [f"{folder.name} paragraph {n} of page{number} in edition{edition} {'again ' * 60}" for n in range(4)]
        (folder / f"page-{number}.md").write_text("\n\n".join(said))


def sync_all(sources: list[KnowledgeSource], folder: Path, *, edition: int) -> list[SyncRun]:
    for source in sources:
        write(folder / source.slug, edition=edition)
    runs = [sync.start(source) for source in sources]
    assert eventually(lambda: not SyncRun.objects.unfinished().exists(), seconds=60), [
        str(run.status) for run in SyncRun.objects.all()
    ]
    return [SyncRun.objects.get(pk=run.pk) for run in runs]


def test_each_document_is_indexed_once_by_one_of_two_clusters(clusters, tmp_path):
    names = [f"wiki-{number}" for number in range(SOURCES)]
    for name in names:
        (tmp_path / name).mkdir()
    sources = [factories.folder_source(tmp_path / name, slug=name) for name in names]
    assert eventually(lambda: WorkerHeartbeat.objects.filter(cluster="bulk").count() == 2, seconds=60), [
        cluster.log.read_text()[-2_000:] for cluster in clusters
    ]

    edition, runs = 0, []
    # Who takes which task is chance: until both had some.
    while not all(cluster.has_synced for cluster in clusters) and edition < MOST_ROUNDS:
        edition += 1
        runs = sync_all(sources, tmp_path, edition=edition)
        check_books(runs, edition=edition)

    assert all(cluster.has_synced for cluster in clusters)
    assert all(cluster.process.poll() is None for cluster in clusters)


def check_books(runs: list[SyncRun], *, edition: int) -> None:
    assert [run.status for run in runs] == ["done"] * SOURCES
    assert [(run.receipt or {}).get("live") for run in runs] == [FILES] * SOURCES
    assert Document.objects.count() == IndexedDocument.objects.filter(state="live").count() == SOURCES * FILES
    # Each text was embedded by one of them, and by nobody twice.
    assert sum(run.chunks_embedded for run in runs) == Chunk.objects.count()
    assert not Chunk.objects.exclude(text__contains=f"edition{edition} ").exists()
    counted = KnowledgeIndex.objects.aggregate(chunks=Sum("chunk_count"))["chunks"]
    assert counted == Chunk.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(WORDS_THAT_DIFFER)
        assert cursor.fetchall() == []
