"""What a sync costs grows with what changed, not with what is there; and a listing holds nothing while it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from knowledge import listing, originals
from knowledge.connectors import CONNECTORS
from knowledge.connectors.base import RemoteDocument
from knowledge.connectors.folder import FolderConnector
from knowledge.models import Document, KnowledgeSource, ListedName, SyncRun
from magnet.errors import ListingFailed
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

FEW, MANY = 10, 150


@pytest.fixture
def wiki(tmp_path: Path, settings) -> Path:
    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [tmp_path], tmp_path / "media"
    (tmp_path / "wiki").mkdir()
    return tmp_path / "wiki"


def write(folder: Path, numbers: range, *, edition: int = 0) -> None:
    for number in numbers:
        (folder / f"page-{number}.md").write_text(f"Page {number} of edition {edition} is about bees.")


def filled(folder: Path, count: int) -> KnowledgeSource:
    """A source of its own with so many documents, all indexed."""
    place = folder / str(count)
    place.mkdir()
    write(place, range(count))
    source = factories.folder_source(place, f"folder-{count}", deletion_guard_percent=100)
    factories.sync_now(source)
    return source


def statements_of_a_sync(source: KnowledgeSource) -> tuple[SyncRun, list[str]]:
    """Of this connection, which writes all of a sync of less than `CHUNKS_AT_ONCE`."""
    with CaptureQueriesContext(connection) as captured:
        run = factories.sync_now(source)
    assert run.status == "done"
    return run, [query["sql"] for query in captured.captured_queries]


# -- What it costs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [0, 3])
def test_a_sync_of_many_documents_says_as_much_to_the_database_as_one_of_few(wiki, changed):
    counts = []
    for size in (FEW, MANY):
        source = filled(wiki, size)
        write(wiki / str(size), range(changed), edition=1)

        run, statements = statements_of_a_sync(source)

        assert (run.changed, run.unchanged) == (changed, size - changed)
        assert run.chunks_embedded <= 2 * changed
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_a_sync_with_many_changes_says_little_more_than_one_with_few(wiki):
    source = filled(wiki, MANY)
    write(wiki / str(MANY), range(3), edition=1)
    _, few = statements_of_a_sync(source)
    write(wiki / str(MANY), range(MANY), edition=2)

    run, many = statements_of_a_sync(source)

    assert run.changed == MANY
    assert len(many) <= len(few) + 10


def test_an_original_that_is_replaced_is_looked_for_by_an_index():
    wanted = Document.objects.filter(file__in=[f"originals/{n:02x}/{n:064x}.md" for n in range(200)])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")
        plan = wanted.values_list("file").explain()

    assert "document_by_file" in plan


def test_replaced_originals_of_many_folders_go_with_three_statements(wiki):
    names = [originals.keep(b"Bees %d" % number).name for number in range(60)]

    with CaptureQueriesContext(connection) as captured:
        removed = originals.discard(names)

    said = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("SELECT")]
    assert (removed, len(said), len(captured)) == (60, 1, 4)
    assert not any(map(default_storage.exists, names))


def test_a_file_in_whose_folder_somebody_writes_is_discarded_when_he_has_ended(wiki):
    names = [originals.keep(b"Bees %d" % number).name for number in range(20)]

    def discard() -> int:
        try:
            return originals.discard(names)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            assert originals.kept({names[0]: 6}) == {names[0]}
            discarded = thread.submit(discard)
            while default_storage.exists(names[1]):
                assert not discarded.done()
            assert default_storage.exists(names[0])

        assert discarded.result(60) == 20
    assert not default_storage.exists(names[0])


# -- What a listing holds --------------------------------------------------------------------------------------------


class BetweenBatches(FolderConnector):
    """Something happens while the source is waited for."""

    happens: Callable[[], None]

    def list(self, known: Mapping[str, str]) -> Iterator[RemoteDocument]:
        for number, document in enumerate(super().list(known)):
            if number == 5:
                self.happens()
            yield document


@pytest.fixture
def between_batches(monkeypatch):
    """Let `event` happen when the next listing has handed in two batches of two."""

    def let(event: Callable[[], None]) -> None:
        monkeypatch.setattr(listing, "BATCH", 2)
        monkeypatch.setattr(BetweenBatches, "happens", staticmethod(event), raising=False)
        monkeypatch.setitem(CONNECTORS, "folder", BetweenBatches)

    return let


def remove(folder: Path, *numbers: int) -> None:
    for number in numbers:
        (folder / f"page-{number}.md").unlink()


def test_a_listing_needs_no_connection_while_its_source_is_waited_for(wiki, between_batches):
    source = filled(wiki, FEW)
    remove(wiki / str(FEW), 0, 9)
    in_transaction = []

    def somebody_else_gets_the_connection() -> None:
        in_transaction.append(connection.in_atomic_block)
        connection.close()

    between_batches(somebody_else_gets_the_connection)

    run = factories.sync_now(source)

    assert in_transaction == [False]
    assert (run.status, run.listed, run.deleted, source.documents.count()) == ("done", 8, 2, 8)
    assert not ListedName.objects.exists()


def test_a_crash_of_the_database_while_it_is_listed_deletes_nothing(wiki, between_batches):
    source = filled(wiki, FEW)

    def crash() -> None:
        with connection.cursor() as cursor:
            cursor.execute("truncate knowledge_listedname")

    between_batches(crash)

    run = factories.sync_now(source)

    assert (run.status, run.deleted, source.documents.count()) == ("failed", 0, FEW)
    assert "Nothing was deleted" in run.error
    assert not ListedName.objects.exists()


def test_a_listing_that_breaks_off_forgets_what_it_has_named(wiki, between_batches):
    source = filled(wiki, FEW)
    named = []

    def break_off() -> None:
        named.append(ListedName.objects.count())
        raise ListingFailed("The source does not answer any more. Try again.")

    between_batches(break_off)

    run = factories.sync_now(source)

    assert (run.status, run.deleted, named) == ("failed", 0, [4])
    assert not ListedName.objects.exists()


def test_what_a_killed_worker_had_listed_does_not_count_for_the_next_one(wiki):
    source = filled(wiki, FEW)
    names = source.documents.values_list("remote_key", flat=True)
    ListedName.objects.bulk_create([ListedName(source=source, remote_key=name) for name in names])
    remove(wiki / str(FEW), 4)

    run = factories.sync_now(source)

    assert (run.status, run.listed, run.deleted) == ("done", 9, 1)


def test_what_a_listing_names_twice_counts_once(wiki, monkeypatch):
    class Stammering(FolderConnector):
        def list(self, known: Mapping[str, str]) -> Iterator[RemoteDocument]:
            yield from super().list(known)
            yield from super().list(known)

    monkeypatch.setattr(listing, "BATCH", 4)
    source = filled(wiki, FEW)
    monkeypatch.setitem(CONNECTORS, "folder", Stammering)
    write(wiki / str(FEW), range(2), edition=1)
    write(wiki / str(FEW), range(FEW, FEW + 1))

    run = factories.sync_now(source)

    assert (run.listed, run.added, run.changed, run.unchanged) == (11, 1, 2, 8)
