"""What is promised of every vector store, proven with each: PostgreSQL itself, Qdrant, Milvus, a fake OpenSearch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from django.db import connection

from knowledge.models import Chunk, KnowledgeIndex
from knowledge.stores import STORES, StoreAddress, VectorStore, in_postgres, milvus, opensearch, qdrant
from magnet.errors import VectorStoreUnavailable
from tests.knowledge.crowd import DIMENSIONS, make_crowd
from tests.knowledge.stores.conftest import EXTERNAL, KINDS
from tests.processes import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("kind", KINDS)]


def name_of(index: KnowledgeIndex) -> str:
    return f"test_{index.pk}"


def rows_of(index: KnowledgeIndex) -> list[tuple[int, list[float]]]:
    chunks = Chunk.objects.filter(index=index).order_by("pk").values_list("pk", "embedding")
    return [(chunk, list(vector)) for chunk, vector in chunks]


def kept(store: VectorStore, *, slug: str = "crowd", count: int = 60) -> KnowledgeIndex:
    """A generation of random vectors, and its copy in the store."""
    index = make_crowd(slug, count=count)
    store.create(name_of(index), dimensions=DIMENSIONS)
    store.add(name_of(index), rows_of(index))
    return index


def best(index: KnowledgeIndex, vector: Sequence[float], *, limit: int) -> list[tuple[int, float]]:
    """The right answer."""
    asked = np.array(vector) / np.linalg.norm(vector)
    cosines = [(chunk, float(np.array(row) @ asked / np.linalg.norm(row))) for chunk, row in rows_of(index)]
    return sorted(cosines, key=lambda pair: -pair[1])[:limit]


def held(store: VectorStore, index: KnowledgeIndex) -> set[int]:
    return {chunk for batch in store.chunks(name_of(index)) for chunk in batch}


QUESTION = [0.3, -0.2, 0.5, 0.1, -0.4, 0.2, 0.6, -0.1]


def test_names_the_nearest_chunks_and_their_cosines_the_best_first(store):
    index = kept(store)

    found = store.nearest(name_of(index), QUESTION, limit=10)

    expected = best(index, QUESTION, limit=10)
    assert [chunk for chunk, _ in found] == [chunk for chunk, _ in expected]
    assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected], abs=0.002)


def test_answers_with_all_that_it_has_when_it_is_asked_for_more(store):
    index = kept(store, count=7)
    assert {chunk for chunk, _ in store.nearest(name_of(index), QUESTION, limit=500)} == held(store, index)
    assert len(held(store, index)) == 7


def test_forgets_what_is_removed_and_nothing_else(store):
    index = kept(store)
    gone = [chunk for chunk, _ in best(index, QUESTION, limit=3)]

    Chunk.objects.filter(pk__in=gone).delete()
    store.remove(name_of(index), gone)
    store.remove(name_of(index), gone)

    assert held(store, index) == {chunk for chunk, _ in rows_of(index)}
    assert [chunk for chunk, _ in store.nearest(name_of(index), QUESTION, limit=5)] == [
        chunk for chunk, _ in best(index, QUESTION, limit=5)
    ]
    assert store.count(name_of(index)) == 57


def test_a_vector_that_is_kept_again_takes_the_place_of_the_old_one(store):
    index = kept(store)
    (worst, _) = best(index, QUESTION, limit=60)[-1]
    with connection.cursor() as cursor:
        cursor.execute("update knowledge_chunk set embedding = %s::halfvec where id = %s", [str(QUESTION), worst])

    store.add(name_of(index), [row for row in rows_of(index) if row[0] == worst])

    assert store.nearest(name_of(index), QUESTION, limit=1)[0][0] == worst
    assert store.count(name_of(index)) == 60


def test_generations_are_apart(store):
    one, other = kept(store, slug="one", count=20), kept(store, slug="other", count=20)

    found = {chunk for chunk, _ in store.nearest(name_of(one), QUESTION, limit=40)}

    assert found == {chunk for chunk, _ in rows_of(one)}
    assert not found & held(store, other)


def test_tells_how_many_it_has_and_that_a_collection_is_not_there(store):
    index = kept(store, count=25)

    assert store.count(name_of(index)) == 25
    assert store.count("test_9999999") is None
    assert len(held(store, index)) == 25


def test_making_a_collection_again_keeps_what_is_in_it(store):
    index = kept(store, count=5)
    store.create(name_of(index), dimensions=DIMENSIONS)
    assert store.count(name_of(index)) == 5


def test_a_collection_that_was_dropped_is_gone_and_can_be_made_again(store):
    index = kept(store, count=5)

    KnowledgeIndex.objects.filter(pk=index.pk).delete()
    store.drop(name_of(index))
    store.drop(name_of(index))

    assert store.count(name_of(index)) is None
    assert not {name for name in store.names() if name.endswith(str(index.pk))}
    again = kept(store, slug="again", count=5)
    assert len(store.nearest(name_of(again), QUESTION, limit=9)) == 5


def test_all_chunks_are_told_page_by_page(store, monkeypatch):
    for module in (in_postgres, milvus, opensearch, qdrant):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 20)
    index = kept(store, count=53)
    batches = list(store.chunks(name_of(index)))
    assert len(batches) >= 3
    assert sorted(chunk for batch in batches for chunk in batch) == [chunk for chunk, _ in rows_of(index)]


def test_what_is_missing_to_run_it_is_told_by_the_name_of_its_package(kind):
    kind_of_store = STORES[kind]
    assert kind_of_store.missing() == []
    lacking = type("Lacking", (kind_of_store,), {"needs": {"no_such_package.inside": "no-such-package"}})
    assert lacking.missing() == ["no-such-package"]


def test_a_server_that_is_away_is_told_in_a_sentence(kind):
    if kind not in EXTERNAL:
        return
    away = STORES[kind](StoreAddress(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(VectorStoreUnavailable, match=rf"(?s){away.label} at http://127.*VECTOR_DB_URL"):
        away.nearest("test_1", QUESTION, limit=5)
    away.close()
