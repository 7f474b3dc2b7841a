"""Large generations get their vector index, one at a time; broken and superfluous ones go."""

from __future__ import annotations

from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from knowledge import hnsw
from knowledge.models import KnowledgeIndex, SyncRun
from magnet.database import _conninfo
from tests.knowledge.crowd import make_crowd

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch):
    monkeypatch.setattr(hnsw, "MIN_CHUNKS", 200)
    monkeypatch.setattr(hnsw, "TOO_FEW_CHUNKS", 100)


@pytest.fixture(autouse=True)
def _leave_no_index(transactional_db):
    # Emptying the tables leaves the indexes that other tests have had built.
    hnsw.maintain()
    yield
    KnowledgeIndex.objects.all().delete()
    hnsw.maintain()


def indexes() -> dict[str, bool]:
    """Every HNSW index on the chunks, and whether it is valid."""
    return hnsw._existing()


def make_invalid(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("update pg_index set indisvalid = false where indexrelid = %s::regclass", [name])


def retire(index: KnowledgeIndex) -> None:
    KnowledgeIndex.objects.filter(pk=index.pk).update(status="retired")


def test_builds_an_index_for_each_large_generation_and_for_no_small_one():
    large, building = make_crowd("large", count=300), make_crowd("building", count=250)
    make_crowd("small", count=50)
    KnowledgeIndex.objects.filter(pk=building.pk).update(status="building", ready_at=timezone.now(), live_at=None)

    assert hnsw.maintain() == 2

    assert indexes() == {large.hnsw_name: True, building.hnsw_name: True}
    assert hnsw.maintain() == 0


def test_the_index_is_partial_over_the_generation_and_built_as_measured():
    index = make_crowd("large", count=300)

    hnsw.maintain()

    with connection.cursor() as cursor:
        cursor.execute("select pg_get_indexdef(%s::regclass)", [index.hnsw_name])
        (definition,) = cursor.fetchone()
    assert f"WHERE (index_id = {index.pk})" in definition
    assert "((embedding)::halfvec(8)) halfvec_cosine_ops" in definition
    assert "m='24', ef_construction='200'" in definition


def test_an_invalid_index_is_dropped_and_built_again():
    index = make_crowd("large", count=300)
    hnsw.maintain()
    make_invalid(index.hnsw_name)
    assert indexes() == {index.hnsw_name: False}

    hnsw.maintain()

    assert indexes() == {index.hnsw_name: True}


def test_a_generation_gets_no_index_while_documents_are_still_written_to_it():
    large = make_crowd("large", count=300)
    KnowledgeIndex.objects.filter(pk=large.pk).update(status="building", live_at=None)

    assert hnsw.maintain() == 0


def test_a_source_that_is_being_filled_gets_its_index_when_the_run_has_ended():
    large = make_crowd("large", count=300)
    run = SyncRun.objects.create(source=large.source, trigger="push", status="indexing", chunks_embedded=290)
    assert hnsw.maintain() == 0

    SyncRun.objects.filter(pk=run.pk).update(status="done")
    assert hnsw.maintain() == 1


@pytest.mark.parametrize(
    "run",
    [
        {"status": "indexing", "chunks_embedded": 40},
        {"status": "waiting_for_approval", "chunks_embedded": 290},
        {"status": "indexing", "chunks_embedded": 290, "resumes_at": timezone.now()},
    ],
    ids=["that changes a little", "that waits for a person", "that rests"],
)
def test_a_run_keeps_nobody_from_an_index(run):
    large = make_crowd("large", count=300)
    SyncRun.objects.create(source=large.source, trigger="push", **run)

    assert hnsw.maintain() == 1


def test_a_source_that_grows_too_large_to_be_compared_gets_its_index_while_it_is_filled(monkeypatch):
    monkeypatch.setattr(hnsw, "MOST_WHILE_FILLED", 250)
    large = make_crowd("large", count=300)
    SyncRun.objects.create(source=large.source, trigger="push", status="indexing", chunks_embedded=290)

    assert hnsw.maintain() == 1


def test_a_cancelled_or_deleted_generation_loses_its_index_and_one_to_go_back_to_keeps_it():
    cancelled, deleted, replaced = (make_crowd(slug, count=300) for slug in ("cancelled", "deleted", "replaced"))
    hnsw.maintain()
    retire(cancelled)
    KnowledgeIndex.objects.filter(pk=cancelled.pk).update(live_at=None)
    retire(replaced)
    deleted.delete()

    assert hnsw.maintain() == 2

    assert indexes() == {replaced.hnsw_name: True}


def test_a_generation_that_shrinks_a_little_keeps_its_index():
    index = make_crowd("large", count=300)
    hnsw.maintain()

    KnowledgeIndex.objects.filter(pk=index.pk).update(chunk_count=150)
    assert hnsw.maintain() == 0
    KnowledgeIndex.objects.filter(pk=index.pk).update(chunk_count=50)
    assert hnsw.maintain() == 1

    assert indexes() == {}


def test_while_another_process_builds_nothing_is_built_here():
    index = make_crowd("large", count=300)

    with psycopg.connect(_conninfo(), autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [hnsw.LOCK])
        assert hnsw.maintain() == 0
        assert indexes() == {}
        other.execute("select pg_advisory_unlock(%s)", [hnsw.LOCK])

    assert hnsw.maintain() == 1
    assert indexes() == {index.hnsw_name: True}


def test_an_index_that_cannot_be_built_does_not_keep_the_others_from_it():
    broken, sound = make_crowd("broken", count=300), make_crowd("sound", count=400)
    KnowledgeIndex.objects.filter(pk=broken.pk).update(dimensions=9)

    assert hnsw.maintain() == 1
    assert indexes()[sound.hnsw_name] is True

    # Once its cause is gone, what the failed build left is replaced.
    KnowledgeIndex.objects.filter(pk=broken.pk).update(dimensions=8)
    hnsw.maintain()
    assert indexes() == {broken.hnsw_name: True, sound.hnsw_name: True}


def test_an_index_that_cannot_be_built_is_not_tried_at_every_look():
    broken = make_crowd("broken", count=300)
    KnowledgeIndex.objects.filter(pk=broken.pk).update(dimensions=9)
    hnsw.maintain()
    assert indexes() == {broken.hnsw_name: False}

    hnsw.maintain()
    assert indexes() == {}


def test_the_command_builds_what_is_missing_and_ends():
    index, told = make_crowd("large", count=300), StringIO()

    call_command("maintain_indexes", "--once", stdout=told)

    assert indexes() == {index.hnsw_name: True}
    assert told.getvalue() == "Vector indexes built or dropped: 1\n"


@pytest.mark.parametrize("column", ["embedding", "lexemes"])
def test_vectors_and_lexemes_are_kept_in_the_row_where_searches_read_many_of_them(column):
    with connection.cursor() as cursor:
        cursor.execute(
            "select attstorage from pg_attribute where attrelid = 'knowledge_chunk'::regclass and attname = %s",
            [column],
        )
        assert cursor.fetchone() == ("m",)
