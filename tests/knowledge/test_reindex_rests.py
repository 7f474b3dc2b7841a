"""A re-index that a provider or a disk holds up waits, longer each time, says until when, and goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from knowledge import jobs, reindex
from knowledge.admin.generations import progress_of
from knowledge.models import KnowledgeIndex, SyncRun
from tests.fake_openai import Scripted
from tests.knowledge.reindexing import cloud_model, source_that_wants_small_chunks, states_of

pytestmark = pytest.mark.django_db(transaction=True)

# What PostgreSQL says when it cannot extend a file.
FILL_THE_DISK = """
create function refuse() returns trigger language plpgsql as
$$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
create trigger full_disk before insert on knowledge_chunk for each row execute function refuse()
"""
MAKE_ROOM = "drop trigger if exists full_disk on knowledge_chunk; drop function if exists refuse()"


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def full_disk() -> Iterator[None]:
    yield
    execute(MAKE_ROOM)


def let_its_time_come() -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    KnowledgeIndex.objects.exclude(resumes_at=None).update(resumes_at=long_ago)
    KnowledgeIndex.objects.update(heartbeat_at=long_ago, created_at=long_ago)


def test_a_full_disk_is_said_and_the_re_index_goes_on_when_there_is_room(full_disk):
    source = source_that_wants_small_chunks()
    index = reindex.start(source)
    execute(FILL_THE_DISK)

    reindex.run_to_end(index)
    assert (index.stage, index.looks_stuck, set(states_of(index).values())) == ("building", False, {"pending"})
    sentence = progress_of(index)["sentence"]
    assert "The disk of the database is full." in sentence
    assert "Tries again at" in sentence
    assert (reindex.step(index.pk), jobs.tick()) == (False, 0)  # Not before its time.

    execute(MAKE_ROOM)
    let_its_time_come()
    assert reindex.run_to_end(index).stage == "ready"
    assert (index.error, index.next_try, index.pauses) == ("", "", 0)


def test_each_pause_in_a_row_is_longer_up_to_ten_minutes(fake_openai):
    source = source_that_wants_small_chunks()
    source.embedding_model = cloud_model(fake_openai)
    source.save()
    index, pauses = reindex.start(source), []
    fake_openai.rule = lambda body: Scripted(status=429, headers={"retry-after": "21"})
    for _ in range(6):
        began = timezone.now()
        reindex.run_to_end(index)
        assert index.resumes_at is not None
        pauses.append(round((index.resumes_at - began).total_seconds() / 60))
        let_its_time_come()

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1, 10)


def test_who_pauses_a_resting_re_index_keeps_it_paused(fake_openai):
    source = source_that_wants_small_chunks()
    source.embedding_model = cloud_model(fake_openai)
    source.save()
    index = reindex.start(source)
    fake_openai.rule = lambda body: Scripted(status=429, headers={"retry-after": "21"})
    reindex.run_to_end(index)

    paused = reindex.pause(index)

    assert (paused.stage, paused.next_try) == ("paused", "")
    assert not SyncRun.objects.unfinished().exists()
    fake_openai.rule = lambda body: None
    assert reindex.run_to_end(reindex.resume(paused)).stage == "ready"
