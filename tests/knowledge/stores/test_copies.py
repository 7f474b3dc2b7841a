"""Copies of vectors follow what is written, survive who is killed on the way, and are mended where they differ."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from knowledge import hnsw, succession, vector_copies, vectors
from knowledge.models import Chunk, KnowledgeIndex, VectorChange, VectorCopy
from knowledge.stores import VectorStore
from tests.knowledge.crowd import make_crowd
from tests.knowledge.stores.fake_opensearch import FakeOpenSearch, fake_opensearch
from tests.processes import PYTHON, ROOT, environment, eventually, free_port, url_of_test_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("kind", ["opensearch"])]


@pytest.fixture
def server() -> Iterator[FakeOpenSearch]:
    with fake_opensearch() as server:
        yield server


@pytest.fixture
def place(server: FakeOpenSearch) -> str:
    return server.url


def held(index: KnowledgeIndex) -> set[int]:
    """What the store has of a generation."""
    return {chunk for batch in vectors.store().chunks(vectors.collection(index.pk)) for chunk in batch}


def right(index: KnowledgeIndex) -> set[int]:
    return set(Chunk.objects.filter(index=index).values_list("pk", flat=True))


def copied_crowd(slug: str = "crowd", count: int = 80) -> KnowledgeIndex:
    index = make_crowd(slug, count=count)
    vector_copies.maintain()
    assert held(index) == right(index)
    return index


def change_some(index: KnowledgeIndex) -> None:
    chunks = sorted(right(index))
    Chunk.objects.filter(pk__in=chunks[:30]).delete()
    with connection.cursor() as cursor:
        new = "update knowledge_chunk set embedding = array_fill(0.5::real, '{8}')::halfvec where id = any(%s)"
        cursor.execute(new, [chunks[40:50]])


def enabled() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(vector_copies.ENABLED, [list(vector_copies.TRIGGERS)])
        return bool(cursor.fetchone()[0])


def test_what_is_written_and_deleted_follows_and_the_outbox_ends_empty(in_use):
    index = copied_crowd()

    change_some(index)
    assert VectorChange.objects.count() == 40
    vector_copies.maintain()

    assert held(index) == right(index)
    assert len(held(index)) == 50
    assert not VectorChange.objects.exists()
    alike = in_use.nearest(vectors.collection(index.pk), [0.5] * 8, limit=10)
    assert [cosine for _chunk, cosine in alike] == pytest.approx([1.0] * 10, abs=0.001)


def test_a_change_that_is_taken_back_leaves_nothing_in_the_outbox(in_use):
    index = copied_crowd()
    from django.db import transaction

    with transaction.atomic():
        change_some(index)
        transaction.set_rollback(True)
    assert not VectorChange.objects.exists()


def test_who_keeps_vectors_in_postgresql_notes_nothing(in_use, settings):
    index = copied_crowd()
    assert enabled()

    settings.VECTOR_DB_TYPE = "pgvector"
    call_command("maintain_indexes", "--once", stdout=StringIO())
    told = StringIO()
    call_command("sync_vectors", stdout=told)

    assert "nothing to copy" in told.getvalue()
    assert not enabled()
    change_some(index)
    assert not VectorChange.objects.exists()
    assert not VectorCopy.objects.exists()


def test_small_generations_and_unfinished_ones_are_not_copied(in_use):
    make_crowd("small", count=30)
    building = make_crowd("building", count=60)
    KnowledgeIndex.objects.filter(pk=building.pk).update(status="building", ready_at=None, live_at=None)

    vector_copies.maintain()
    assert not VectorCopy.objects.exists()

    KnowledgeIndex.objects.filter(pk=building.pk).update(ready_at=timezone.now())
    assert hnsw.is_awaited(KnowledgeIndex.objects.get(pk=building.pk))
    vector_copies.maintain()
    assert not hnsw.is_awaited(KnowledgeIndex.objects.get(pk=building.pk))


def test_a_generation_that_is_removed_takes_its_collection_with_it(in_use):
    index, other = copied_crowd("going", count=60), copied_crowd("staying", count=60)

    KnowledgeIndex.objects.filter(pk=index.pk).update(status="retired", live_at=None)
    succession.empty(index)
    index.delete()
    vector_copies.maintain()

    assert in_use.names() == {vectors.collection(other.pk)}
    assert [copy.index_id for copy in VectorCopy.objects.all()] == [other.pk]
    assert not VectorChange.objects.exists()


def test_a_store_that_lost_a_collection_is_filled_again_by_itself(in_use, server):
    index = copied_crowd()
    server.indexes.clear()

    vector_copies.maintain()

    assert held(index) == right(index)
    assert vectors.has_copy(index.pk)


def test_a_store_that_lost_or_kept_too_much_is_found_and_mended(in_use):
    index = copied_crowd()
    name, chunks = vectors.collection(index.pk), sorted(right(index))
    in_use.remove(name, chunks[:7])
    in_use.add(name, [(10**9 + n, [0.1] * 8) for n in range(3)])

    told = StringIO()
    call_command("sync_vectors", "--check", stdout=told)

    assert f"Index {index.pk}: 76 held, 7 lacking and 3 superfluous" in told.getvalue()
    assert held(index) == right(index)


def test_a_store_that_lost_a_generation_whose_chunks_change_is_filled_again(in_use, server):
    index = copied_crowd()
    change_some(index)
    server.indexes.clear()

    vector_copies.maintain()

    assert held(index) == right(index)
    assert vectors.has_copy(index.pk)


def test_everything_is_copied_anew_when_somebody_says_so(in_use, server):
    index = copied_crowd()
    stray = next(iter(server.indexes.values()))
    stray["00000000-0000-0000-0000-0000ffffffff"] = {"embedding": [1.0] * 8}

    call_command("sync_vectors", "--rebuild", stdout=StringIO())

    assert held(index) == right(index)


def test_a_fill_that_was_broken_off_goes_on_from_where_it_was(in_use, monkeypatch):
    monkeypatch.setattr(vector_copies, "AT_ONCE", 20)
    index = make_crowd("crowd", count=80)
    written: list[int] = []
    add = type(in_use).add

    def breaking(store: VectorStore, name: str, rows: list) -> None:
        if len(written) == 60:
            raise KeyboardInterrupt
        add(store, name, rows)
        written.extend(chunk for chunk, _vector in rows)

    monkeypatch.setattr(type(in_use), "add", breaking)
    with pytest.raises(KeyboardInterrupt):
        vector_copies.maintain()
    assert not vectors.has_copy(index.pk)

    monkeypatch.setattr(type(in_use), "add", add)
    assert vector_copies.maintain() == 20
    assert held(index) == right(index)
    assert vectors.has_copy(index.pk)


def test_only_one_process_of_the_installation_is_at_it(in_use):
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    make_crowd("crowd", count=80)

    def elsewhere() -> int:
        try:
            return vector_copies.maintain()
        finally:
            connections.close_all()

    with hnsw.alone(vector_copies.LOCK), ThreadPoolExecutor(1) as threads:
        assert threads.submit(elsewhere).result(timeout=60) == 0
    assert vector_copies.maintain() == 80


def test_a_store_that_is_away_is_told_by_the_command(in_use, settings):
    settings.VECTOR_DB_URL = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(CommandError, match="OpenSearch at http"):
        call_command("sync_vectors", "--once", stdout=StringIO())


@pytest.mark.crash
def test_who_is_killed_between_writing_and_noting_it_has_lost_nothing(in_use, server, tmp_path):
    index = copied_crowd()
    # The process has its own idea of what is large.
    KnowledgeIndex.objects.filter(pk=index.pk).update(chunk_count=20_000)
    change_some(index)
    process = sync_vectors_in_a_process(server.url, tmp_path)
    server.on_written = process.kill

    assert eventually(lambda: process.poll() is not None, seconds=30), (tmp_path / "said").read_text()
    server.on_written = lambda: None

    assert process.returncode < 0, (tmp_path / "said").read_text()
    assert VectorChange.objects.count() == 40
    vector_copies.maintain()
    assert held(index) == right(index)
    assert not VectorChange.objects.exists()


def sync_vectors_in_a_process(url: str, folder: Path) -> subprocess.Popen[bytes]:
    own = {"DATABASE_URL": url_of_test_database(), "VECTOR_DB_TYPE": "opensearch", "VECTOR_DB_URL": url}
    data_dir = Path(os.environ["MAGNET_DATA_DIR"])
    command = [PYTHON, str(ROOT / "manage.py"), "sync_vectors", "--parent", str(os.getpid())]
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(command, cwd=ROOT, env=environment(data_dir, **own), stdout=said, stderr=said)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"VECTOR_DB_TYPE": "quadrant"}, "Set it to one of: pgvector, qdrant, milvus, opensearch"),
        ({"VECTOR_DB_URL": ""}, "set VECTOR_DB_URL to the address of the server"),
        ({"VECTOR_DB_URL": "/data/vectors"}, "A file will not do"),
    ],
)
def test_settings_that_can_never_work_are_refused_in_a_sentence(in_use, settings, changes, sentence):
    for name, value in changes.items():
        setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=sentence):
        vectors.check_settings()
    settings.VECTOR_DB_TYPE = "opensearch"


def test_a_package_that_is_missing_is_named(in_use, monkeypatch):
    monkeypatch.setattr(type(in_use), "needs", {"no_such_module": "no-such-package"})
    with pytest.raises(ImproperlyConfigured, match=r"not installed: no-such-package.*requirements-extras.txt"):
        vectors.check_settings()
