"""Pushes, steps and deletions at the same moment, and workers that die: nothing waits for ever, nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from django_q.models import OrmQ

from knowledge import chunk_writer, ledger, recovery, sync, uploads
from knowledge.models import Chunk, Document, IndexedDocument, KnowledgeSource, SyncRun, Word
from knowledge.models.leases import HEARTBEAT_LOST_AFTER
from knowledge.uploads import PushedDocument
from magnet.errors import NotFound
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def together(*works: Callable[[], object]) -> None:
    """Do each work in a transaction of its own, and commit all of them at the same moment."""
    all_done = threading.Barrier(len(works), timeout=20)

    def carry_out(work: Callable[[], object]) -> None:
        try:
            with transaction.atomic():
                work()
                all_done.wait()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as threads:
        for done in [threads.submit(carry_out, work) for work in works]:
            done.result()


def test_a_push_and_a_step_that_commit_together_do_not_wait_for_each_other():
    source = factories.source()
    run = uploads.push(source, [PushedDocument("one", text="Bees make honey.")]).run
    assert run is not None
    index, token = ledger.ensure_index(source), uuid4()
    entries = ledger.claim(index, token=token, limit=10)
    batch = [written(entry, text="Bees make honey.") for entry in entries]

    together(
        lambda: uploads.push(source, [PushedDocument("two", text="Cows make milk.")]),
        lambda: chunk_writer.replace(index, batch, token=token),
    )

    assert sync.run_to_end(run).receipt["live"] == 2


def written(entry: IndexedDocument, *, text: str) -> chunk_writer.Replacement:
    columns = {
        "title": "",
        "text": text,
        "page_starts": [],
        "language": "en",
        "content_hash": "1",
        "media_type": "",
        "file": "",
        "file_hash": "",
        "file_bytes": 0,
        "fetched_version": entry.document.version,
    }
    return chunk_writer.Replacement(entry, columns, "1", [], timezone.now())


def test_signs_of_life_do_not_wait_for_what_is_being_written():
    source = factories.source()
    uploads.push(source, [PushedDocument(str(number), text="Bees.") for number in range(5)])
    index, token = ledger.ensure_index(source), uuid4()
    entries = ledger.claim(index, token=token, limit=10)

    with ThreadPoolExecutor(1) as elsewhere, transaction.atomic():
        list(IndexedDocument.objects.filter(pk=entries[0].pk).select_for_update())
        elsewhere.submit(and_close, lambda: ledger.renew(token)).result(timeout=10)


def and_close(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connections.close_all()


def test_a_run_that_is_taken_over_goes_on_with_what_the_dead_worker_held():
    source = factories.source()
    run = uploads.push(source, [PushedDocument(str(number), text="Bees.") for number in range(5)]).run
    assert run is not None
    dead = run.take()
    assert dead is not None
    ledger.claim(ledger.ensure_index(source), token=dead, limit=3)
    SyncRun.objects.update(heartbeat_at=timezone.now() - 2 * HEARTBEAT_LOST_AFTER)

    sync.step(run.pk)

    run.refresh_from_db()
    assert (run.status, run.receipt["live"]) == ("done", 5)


def test_for_a_worker_that_fell_silent_another_one_is_called_once():
    source = factories.source()
    run = uploads.push(source, [PushedDocument("bees", text="Bees.")]).run
    OrmQ.objects.all().delete()
    run.take()
    SyncRun.objects.update(created_at=timezone.now() - timedelta(minutes=5))

    assert recovery.go_on() == 0
    SyncRun.objects.update(heartbeat_at=timezone.now() - 2 * HEARTBEAT_LOST_AFTER)
    assert [recovery.go_on(), recovery.go_on()] == [1, 0]
    assert [task.task["args"] for task in OrmQ.objects.all()] == [(str(run.pk),)]

    sync.step(run.pk)
    assert (SyncRun.objects.get().status, recovery.go_on()) == ("done", 0)


def test_a_database_that_breaks_in_mid_step_leaves_the_run_to_the_clock():
    source = factories.source()
    run = uploads.push(source, [PushedDocument("one", text="Bees make honey.")]).run
    assert run is not None

    def break_connection(run: SyncRun) -> None:
        with connection.cursor() as cursor:
            cursor.execute("select pg_terminate_backend(pg_backend_pid())")

    assert sync.step(run.pk, on_progress=break_connection) is False
    run.refresh_from_db()
    assert not run.is_finished

    SyncRun.objects.update(
        created_at=timezone.now() - 2 * HEARTBEAT_LOST_AFTER, heartbeat_at=timezone.now() - 2 * HEARTBEAT_LOST_AFTER
    )
    OrmQ.objects.all().delete()
    assert sync.start_due() == 1
    assert sync.run_to_end(run).receipt["live"] == 1
    assert Document.objects.get().text == "Bees make honey."


@pytest.mark.parametrize("moment", [1, 2])
def test_a_source_that_is_deleted_during_its_sync_is_gone_and_the_step_gives_way(moment):
    source = factories.source()
    moments = iter(range(1, 100))
    run = uploads.push(source, [PushedDocument(str(number), text="Bees.") for number in range(300)]).run
    assert run is not None

    def delete_in_time(run: SyncRun) -> None:
        if next(moments) == moment:
            ledger.delete_source(source)

    assert sync.step(run.pk, on_progress=delete_in_time) is False

    for rows in (KnowledgeSource, SyncRun, Document, IndexedDocument, Chunk, Word):
        assert not rows.objects.exists()


def test_a_source_is_not_found_by_who_wants_to_sync_it_when_it_was_deleted():
    source = factories.source()
    ledger.delete_source(KnowledgeSource.objects.get())
    with pytest.raises(NotFound, match="was deleted"):
        sync.start(source, trigger="push")
