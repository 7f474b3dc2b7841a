"""Two at the same source: a late worker takes nothing away, and nobody's wish is swallowed by a run under way."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connections, transaction

from knowledge import ledger, sync, uploads
from knowledge.connectors import CONNECTORS
from knowledge.connectors.base import KEEP_THE_REST, Gone, ListingItem, RemoteDocument
from knowledge.connectors.folder import FolderConnector
from knowledge.listing import take_stock
from knowledge.models import Document, IndexedDocument, KnowledgeSource, SyncRun
from knowledge.models.leases import LeaseLost
from knowledge.uploads import PushedDocument
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wiki(tmp_path: Path, settings) -> Path:
    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [tmp_path], tmp_path / "media"
    folder = tmp_path / "wiki"
    folder.mkdir()
    for name in ("bees", "cows", "hens"):
        (folder / f"{name}.md").write_text(f"All about {name}.")
    return folder


class OvertakenConnector(FolderConnector):
    """Another worker takes the run over, and lists everything, before this listing has come to its end."""

    def list(self, known: Mapping[str, str]) -> Iterator[RemoteDocument]:
        yield from super().list(known)
        self.state["cursor"] = "late"
        SyncRun.objects.update(lease_token=uuid4())


def test_a_late_listing_finds_nothing_gone_and_leaves_no_cursor(wiki):
    source = factories.folder_source(wiki, deletion_guard_percent=100)
    factories.sync_now(source)
    run = sync.start(source)
    token = run.take()
    connector = OvertakenConnector(FolderConnector.Config(path=str(wiki)))

    with pytest.raises(LeaseLost):
        take_stock(run, ledger.ensure_index(source), connector, token=token)
    assert "cursor" not in KnowledgeSource.objects.get().connector_state


def test_a_run_that_was_taken_over_deletes_no_more(wiki):
    source = factories.folder_source(wiki, deletion_guard_percent=100)
    factories.sync_now(source)
    for file in wiki.iterdir():
        file.unlink()
    run = sync.start(source)
    token = run.take()
    SyncRun.objects.update(lease_token=uuid4())

    with pytest.raises(LeaseLost):
        ledger.delete_documents(list(Document.objects.values_list("id", flat=True)), first=lambda: run.note(token))
    assert Document.objects.count() == 3


@pytest.mark.parametrize("is_at_work", [False, True])
def test_who_wants_a_sync_while_documents_are_tried_again_gets_one(wiki, is_at_work):
    source = factories.folder_source(wiki)
    factories.sync_now(source)
    (run,) = uploads.retry(Document.objects.all()[:1])
    (wiki / "dogs.md").write_text("All about dogs.")

    if is_at_work:
        sync.run_to_end(run, on_progress=lambda run: sync.start(source) if not run.done else None)
    else:
        assert sync.start(source).pk == run.pk
        sync.run_to_end(run)

    run.refresh_from_db()
    assert (run.status, run.trigger, run.receipt["added"], run.receipt["live"]) == ("done", "manual", 1, 4)


def test_a_retry_and_a_push_at_once_do_not_wait_for_each_other_for_ever():
    source = factories.source()
    factories.push(source, one="Bees.", two="Cows.")
    both_began = threading.Barrier(2, timeout=20)

    def push() -> None:
        KnowledgeSource.objects.hold(source.pk)
        both_began.wait()
        uploads.push(source, [PushedDocument("one", text="Bees and honey."), PushedDocument("two", text="Milk.")])

    def retry() -> None:
        both_began.wait()
        uploads.retry(Document.objects.order_by("remote_id"))

    def carry_out(work) -> None:
        try:
            with transaction.atomic():
                work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(carry_out, work) for work in (push, retry)]:
            done.result()
    assert IndexedDocument.objects.filter(is_due=True).count() == 2


class DeltaConnector(FolderConnector):
    """Names what changed since its cursor, as the delta queries of cloud services do."""

    def list(self, known: Mapping[str, str]) -> Iterator[ListingItem]:  # type: ignore[override]  # it says more
        if self.state.get("cursor"):
            yield KEEP_THE_REST
            yield Gone("bees.md")
        else:
            yield from super().list(known)
        self.state["cursor"] = "next"


def test_a_listing_of_changes_deletes_what_it_calls_gone_and_nothing_else(wiki, monkeypatch):
    monkeypatch.setitem(CONNECTORS, "folder", DeltaConnector)
    source = factories.folder_source(wiki, deletion_guard_percent=50)
    factories.sync_now(source)

    run = factories.sync_now(source)

    assert run.receipt["deleted"] == 1
    assert set(source.documents.values_list("remote_id", flat=True)) == {"cows.md", "hens.md"}


def test_a_deletion_that_a_cursor_names_once_is_still_known_after_the_approval(wiki, monkeypatch):
    monkeypatch.setitem(CONNECTORS, "folder", DeltaConnector)
    source = factories.folder_source(wiki, deletion_guard_percent=0)
    factories.sync_now(source)
    waiting = factories.sync_now(source)
    assert waiting.deletions_waiting == 1

    sync.run_to_end(sync.approve(waiting))

    assert set(source.documents.values_list("remote_id", flat=True)) == {"cows.md", "hens.md"}


def test_other_settings_begin_without_the_old_cursor(wiki, monkeypatch):
    monkeypatch.setitem(CONNECTORS, "folder", DeltaConnector)
    source = factories.folder_source(wiki)
    factories.sync_now(source)
    other = wiki.parent / "other"
    other.mkdir()
    (other / "goats.md").write_text("All about goats.")

    source.refresh_from_db()
    source.config = {**source.config, "path": str(other)}
    source.deletion_guard_percent = 100
    source.save()
    factories.sync_now(source)

    assert set(source.documents.values_list("remote_id", flat=True)) == {"goats.md"}
