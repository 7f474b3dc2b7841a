"""Two at the same file, clocks that disagree, wishes in between, and documents that somebody has taken out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection, connections, transaction
from django.utils import timezone

from knowledge import sync, uploads
from knowledge.connectors import CONNECTORS
from knowledge.connectors.base import Content, RemoteDocument
from knowledge.connectors.folder import FolderConnector
from knowledge.models import Chunk, Document, IndexedDocument, SyncRun, Word
from knowledge.uploads import PushedDocument
from magnet import configuration
from magnet.errors import Conflict, StillInUse
from tests import factories
from tests.processes import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wiki(tmp_path: Path, settings) -> Path:
    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [tmp_path], tmp_path / "media"
    folder = tmp_path / "wiki"
    folder.mkdir()
    for name in ("bees", "cows", "hens"):
        (folder / f"{name}.md").write_text(f"All about {name}.")
    return folder


def elsewhere(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connections.close_all()


def waits_for_a_file() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select exists (select from pg_locks where locktype = 'advisory' and not granted)")
        return bool(cursor.fetchone()[0])


def test_a_file_that_is_handed_in_while_its_last_copy_is_deleted_stays(wiki):
    source = factories.source()
    body = b"Bees make honey."
    sync.run_to_end(uploads.push(source, [PushedDocument("a.txt", body=body, filename="a.txt")]).run)
    first = Document.objects.get()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            uploads.push(source, [PushedDocument("b.txt", body=body, filename="b.txt")])
            deleted = pool.submit(elsewhere, lambda: uploads.delete(first))
            assert eventually(waits_for_a_file, seconds=20)
        deleted.result(timeout=60)

    assert default_storage.open(Document.objects.get().file.name).read() == body


class WishfulConnector(FolderConnector):
    """While a retry opens its connector, somebody asks for a listing."""

    has_wished = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not WishfulConnector.has_wished:
            WishfulConnector.has_wished = True
            sync.start(SyncRun.objects.unfinished().get().source)


def test_a_wish_to_list_is_heard_between_the_decision_not_to_and_the_work(wiki, monkeypatch):
    source = factories.folder_source(wiki)
    factories.sync_now(source)
    (run,) = uploads.retry(Document.objects.all()[:1])
    (wiki / "dogs.md").write_text("All about dogs.")
    monkeypatch.setitem(CONNECTORS, "folder", WishfulConnector)

    run = sync.run_to_end(run)

    assert (run.status, run.receipt["added"], run.receipt["live"]) == ("done", 1, 4)


class LongIds(FolderConnector):
    def list(self, known: Mapping[str, str]) -> Iterator[RemoteDocument]:
        yield from super().list(known)
        yield RemoteDocument(remote_id="https://example.com/?q=" + "x" * 1_000)


def test_a_document_whose_id_is_too_long_is_counted_and_said(wiki, monkeypatch):
    monkeypatch.setitem(CONNECTORS, "folder", LongIds)
    run = factories.sync_now(factories.folder_source(wiki))
    assert run.notice.startswith("Left out 1, ")
    assert "https://example.com/" in run.remark
    assert run.receipt["seen"] == run.receipt["live"] == 3


class Rewriting(FolderConnector):
    """Each file changes between its listing and the moment when it is read."""

    def fetch(self, document: RemoteDocument) -> Content:
        path = Path(self.config.path) / document.remote_id
        if "anew" not in path.read_text():
            path.write_text(f"{document.remote_id} was written anew.")
        return super().fetch(document)


def test_a_document_that_changes_while_it_is_read_is_read_again_by_the_next_sync(wiki, monkeypatch):
    monkeypatch.setitem(CONNECTORS, "folder", Rewriting)
    source = factories.folder_source(wiki)
    factories.sync_now(source)
    (wiki / "bees.md").write_text("Once more anew, and longer.")

    run = factories.sync_now(source)

    assert (run.changed, run.receipt["live"]) == (3, 3)
    assert Document.objects.get(remote_id="bees.md").text == "Once more anew, and longer."
    assert factories.sync_now(source).unchanged == 3


def test_two_schedulers_that_fire_at_once_start_one_run(wiki):
    factories.folder_source(wiki, schedule="hourly", next_sync_at=timezone.now())
    both = threading.Barrier(2, timeout=20)

    def fire() -> int:
        both.wait()
        return sync.start_due()

    with ThreadPoolExecutor(2) as threads:
        started = [future.result() for future in [threads.submit(elsewhere, fire) for _ in range(2)]]

    assert (sum(started), SyncRun.objects.count()) == (1, 1)


def test_a_worker_whose_clock_runs_ahead_is_not_thought_alive_for_longer(monkeypatch):
    run = sync.start(factories.source(), trigger="push")
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(hours=1))
    assert run.take() is not None
    monkeypatch.undo()
    run.refresh_from_db()
    assert abs((timezone.now() - run.heartbeat_at).total_seconds()) < 600


def test_there_is_nothing_to_look_for_where_documents_are_handed_in():
    with pytest.raises(Conflict, match="nothing to look for"):
        sync.start(factories.source())


def found(question: str) -> int:
    return Chunk.objects.filter(text__icontains=question).count() + Word.objects.filter(lexeme=question).count()


def test_an_excluded_document_is_found_nowhere_and_stays_out_until_it_is_included(wiki):
    source = factories.folder_source(wiki)
    factories.sync_now(source)
    bees = Document.objects.filter(remote_id="bees.md")

    assert uploads.exclude(bees.select_related("source")) == 1
    assert found("bees") == 0
    (wiki / "bees.md").write_text("All about bees and their honey.")
    receipt = factories.sync_now(source).receipt
    uploads.retry(bees)
    sync.run_to_end(SyncRun.objects.unfinished().get())

    assert (receipt["seen"], receipt["live"], receipt["excluded"]) == (3, 2, 1)
    assert (found("honey"), IndexedDocument.objects.get(document__in=bees).state) == (0, "excluded")

    (run,) = uploads.include(bees)
    assert sync.run_to_end(run).receipt["live"] == 3
    assert found("honey") == 2  # Its chunk and its word.


def test_an_embedding_model_that_a_source_was_indexed_with_stays_and_the_next_sync_finds_it():
    source = factories.source("bees")
    factories.push(source, hive="Bees make honey.")

    with pytest.raises(StillInUse, match="knowledge source “Bees”"):
        configuration.remove(source.embedding_model)

    assert factories.push(source, garden="Bees love gardens.").receipt["live"] == 2
