"""While all workers are busy, a step waits in the queue once, however often the clock looks; a lost one is replaced."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from knowledge import jobs, recovery, reindex, sync, uploads
from knowledge.models import KnowledgeIndex, KnowledgeSource, SyncRun
from knowledge.uploads import PushedDocument
from magnet.errors import Conflict
from tests import factories
from tests.knowledge.reindexing import source_that_wants_small_chunks, switched

pytestmark = pytest.mark.django_db(transaction=True)


def long_ago() -> None:
    then = timezone.now() - timedelta(hours=1)
    SyncRun.objects.update(created_at=then)
    KnowledgeIndex.objects.update(created_at=then)


def tasks(job: str) -> int:
    return [task.task["func"] for task in OrmQ.objects.all()].count(f"knowledge.jobs.{job}")


def test_a_run_that_nobody_takes_is_queued_once_and_again_when_its_task_is_lost():
    uploads.push(factories.source(), [PushedDocument("bees", text="Bees make honey.")])
    long_ago()

    assert [jobs.tick(), jobs.tick()] == [0, 0]
    assert tasks("step") == 1

    OrmQ.objects.all().delete()
    assert [jobs.tick(), jobs.tick()] == [1, 0]
    assert tasks("step") == 1


def test_many_pushes_while_no_worker_is_free_wait_as_one_step_that_indexes_them_all():
    source = factories.source()
    for name in ("bees", "cows", "hens"):
        run = uploads.push(source, [PushedDocument(name, text=f"All about {name}.")]).run

    assert run is not None
    assert tasks("step") == 1
    assert sync.run_to_end(run).receipt["live"] == 3


def test_a_push_whose_step_a_worker_has_already_taken_queues_another():
    source = factories.source()
    uploads.push(source, [PushedDocument("bees", text="Bees make honey.")])
    OrmQ.objects.update(lock=timezone.now() + timedelta(hours=1))

    uploads.push(source, [PushedDocument("cows", text="Cows make milk.")])

    assert tasks("step") == 2


def test_a_re_index_that_nobody_takes_is_queued_once():
    source = source_that_wants_small_chunks()
    reindex.start(source)
    long_ago()

    assert [jobs.tick(), jobs.tick(), reindex.wake(source.pk)] == [0, 0, 0]
    assert tasks("reindex_step") == 1


def test_the_task_of_a_dead_worker_keeps_nobody_from_going_on():
    uploads.push(factories.source(), [PushedDocument("bees", text="Bees make honey.")])
    OrmQ.objects.update(lock=timezone.now() + timedelta(hours=1))
    SyncRun.objects.update(lease_token=uuid4(), heartbeat_at=timezone.now() - timedelta(minutes=2))
    long_ago()

    assert recovery.go_on() == 1
    assert tasks("step") == 2


def test_a_source_that_is_deleted_while_the_clock_looks_stops_nothing_else(monkeypatch):
    sources = [factories.source(slug) for slug in ("bees", "cows")]
    for source in sources:
        factories.push(source, one="A text.")
        source.live_index.ledger.update(is_due=True, next_attempt_at=timezone.now() - timedelta(minutes=1))
    hold, deleted = KnowledgeSource.objects.hold, sources[0].pk
    monkeypatch.setattr(KnowledgeSource.objects, "hold", lambda pk: hold(0 if pk == deleted else pk))

    assert sync.start_due() == 1
    assert SyncRun.objects.unfinished().get().source == sources[1]


def test_a_generation_that_serves_again_is_not_removed_by_who_saw_it_retired():
    source = source_that_wants_small_chunks()
    switched(source)
    seen = source.indexes.get(status="retired")
    reindex.undo(source.live_index)

    with pytest.raises(Conflict, match="in use"):
        reindex.remove(seen)

    seen.refresh_from_db()
    assert (seen.status, seen.chunks.exists()) == ("live", True)
