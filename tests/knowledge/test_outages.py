"""A database that was away for longer than a worker may be silent: nobody died of it, and no document is suspected."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from knowledge import ledger, reindex, succession, sync, uploads
from knowledge.models import IndexedDocument, KnowledgeIndex, SyncRun
from knowledge.uploads import PushedDocument
from magnet.models import WorkerHeartbeat
from magnet.processes import cluster
from tests import factories
from tests.knowledge.reindexing import source_that_wants_small_chunks

pytestmark = pytest.mark.django_db(transaction=True)

AN_HOUR_AGO = timedelta(hours=1)
SILENCE = timedelta(minutes=2)
NO_PROCESS = 2**22 + 1


@pytest.fixture
def held() -> SyncRun:
    """A run whose worker has bees and cows in hand, and has shown no life for two minutes."""
    source = factories.source()
    run = uploads.push(source, [PushedDocument("bees", text="Bees."), PushedDocument("cows", text="Cows.")]).run
    assert run is not None
    in_silent_hands(run, ledger.ensure_index(source))
    return run


def in_silent_hands(row: Any, index: KnowledgeIndex) -> None:
    token = row.take()
    assert token is not None
    assert ledger.claim(index, token=token, limit=10)
    type(row).objects.update(heartbeat_at=timezone.now() - SILENCE)


def beat(*, started_ago: timedelta) -> None:
    cluster.beat("bulk", started_at=timezone.now() - started_ago)


def last_beat_before_the_silence() -> None:
    beat(started_ago=AN_HOUR_AGO)
    then = timezone.now() - SILENCE
    WorkerHeartbeat.objects.update(beat_at=then, in_touch_since=then - AN_HOUR_AGO / 2)


def outage() -> None:
    """The next beat of this process fails at a database that takes nothing."""
    with connection.cursor() as cursor:
        cursor.execute("set default_transaction_read_only = on")
    beat(started_ago=AN_HOUR_AGO)


def suspected() -> int:
    return IndexedDocument.objects.filter(failure_code=ledger.WORKER_STOPPED).count()


def take_over(run: SyncRun) -> None:
    """Another worker takes the run, and nothing but that."""
    SyncRun.objects.filter(pk=run.pk).update(status=SyncRun.Status.INDEXING)
    sync.step(run.pk)


def watch_claims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents were suspected each time that a step asked for work."""
    claim, seen = ledger.claim, []

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(suspected())
        return claim(*args, **kwargs)

    monkeypatch.setattr(ledger, "claim", watched)
    return seen


def test_who_was_cut_off_with_the_database_did_not_die_over_its_documents(held, monkeypatch):
    last_beat_before_the_silence()
    outage()
    beat(started_ago=AN_HOUR_AGO)
    seen = watch_claims(monkeypatch)

    take_over(held)

    held.refresh_from_db()
    assert (seen[0], held.status, held.receipt["live"]) == (0, "done", 2)


def test_nobody_is_suspected_before_those_who_outlived_the_outage_had_time_to_say_so(held, monkeypatch):
    last_beat_before_the_silence()
    seen = watch_claims(monkeypatch)

    take_over(held)

    assert seen[0] == 0


def test_a_cluster_whose_process_is_gone_has_died_however_early_somebody_looks(held, monkeypatch):
    last_beat_before_the_silence()
    WorkerHeartbeat.objects.update(pid=NO_PROCESS)
    seen = watch_claims(monkeypatch)

    take_over(held)

    assert seen[0] == 2


def test_a_process_that_had_fallen_silent_long_before_excuses_nobody(held, monkeypatch):
    last_beat_before_the_silence()
    WorkerHeartbeat.objects.update(beat_at=timezone.now() - 2 * SILENCE)
    seen = watch_claims(monkeypatch)

    take_over(held)

    assert seen[0] == 2


def test_a_re_index_does_not_count_an_outage_either(monkeypatch):
    source = source_that_wants_small_chunks()
    index = reindex.start(source)
    succession.add_missing(index)
    in_silent_hands(index, index)
    last_beat_before_the_silence()
    outage()
    beat(started_ago=AN_HOUR_AGO)
    seen = watch_claims(monkeypatch)

    reindex.run_to_end(index)

    assert (seen[0], index.stage) == (0, "ready")


def test_a_worker_that_stops_while_others_reach_the_database_has_died(held, monkeypatch):
    last_beat_before_the_silence()
    beat(started_ago=AN_HOUR_AGO)
    seen = watch_claims(monkeypatch)

    take_over(held)

    assert seen[0] == 2


def test_workers_that_all_had_to_be_started_again_have_died(held, monkeypatch):
    last_beat_before_the_silence()
    outage()
    beat(started_ago=timedelta(minutes=1))
    seen = watch_claims(monkeypatch)

    take_over(held)

    assert seen[0] == 2


def test_an_outage_before_the_silence_excuses_nobody(held, monkeypatch):
    last_beat_before_the_silence()
    outage()
    beat(started_ago=AN_HOUR_AGO)
    WorkerHeartbeat.objects.update(in_touch_since=timezone.now() - 2 * SILENCE)
    seen = watch_claims(monkeypatch)

    take_over(held)

    assert seen[0] == 2


def test_one_beat_that_fails_is_no_outage():
    beat(started_ago=AN_HOUR_AGO)
    since = WorkerHeartbeat.objects.get().in_touch_since
    outage()
    beat(started_ago=AN_HOUR_AGO)

    assert WorkerHeartbeat.objects.get().in_touch_since == since
