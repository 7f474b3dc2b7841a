"""Searches that ask another store find what PostgreSQL finds, show nobody more, and go on when the store is away."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge import hnsw, retrieval, vector_copies, vectors
from knowledge.models import Chunk, Document, KnowledgeSource
from magnet.callers import Caller, acting_as
from magnet.database import forget_configuration, in_database
from magnet.tracing import trace
from tests.knowledge.chunks import Page, make_source
from tests.knowledge.stores.conftest import EXTERNAL
from tests.processes import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("kind", EXTERNAL)]

ANIMALS = ("bees", "cows", "owls", "cats", "newts", "toads", "crows", "foxes", "hares", "moles")
DEEDS = ("make honey", "give milk", "hunt at night", "sleep all day", "swim in ponds", "sing at dawn")
QUESTIONS = ("Who makes honey?", "Which animals are awake in the dark?", "water", "milk of a cow")


def pages() -> list[Page]:
    made = [(animal, deed) for animal in ANIMALS for deed in DEEDS]
    return [
        Page(
            f"{animal}/{deed}",
            f"The {animal} {deed}, says the book.",
            metadata={"deed": deed, "number": n},
            groups=["keepers"] if animal == "bees" else None,
        )
        for n, (animal, deed) in enumerate(made)
    ]


async def zoo() -> KnowledgeSource:
    return await in_database(make_source, "zoo", pages())


async def found(question: str, **asked: Any) -> list[str]:
    result = await retrieval.search(question, **{"sources": ["zoo"], "limit": 8, **asked})
    return [passage.remote_id for passage in result.passages]


async def copied() -> None:
    await in_database(vector_copies.maintain)
    forget_configuration()


async def without_store(settings: Any, question: str, **asked: Any) -> list[str]:
    """What PostgreSQL finds, which compares all vectors."""
    kind, settings.VECTOR_DB_TYPE = settings.VECTOR_DB_TYPE, "pgvector"
    forget_configuration()
    try:
        return await found(question, **asked)
    finally:
        settings.VECTOR_DB_TYPE = kind
        forget_configuration()


@pytest.mark.parametrize("mode", ["hybrid", "meaning"])
async def test_finds_the_same_passages_as_postgresql(in_use, settings, mode):
    await zoo()
    await copied()
    assert await in_database(in_use.count, await collection()) == len(pages())

    for question in QUESTIONS:
        with trace(feature="test") as record:
            from_store = await found(question, mode=mode)
        assert from_store == await without_store(settings, question, mode=mode)
        assert [span.attributes["hits"] for span in record.spans if span.name == "vector store"] == [len(pages())]


async def collection() -> str:
    source = await in_database(KnowledgeSource.objects.get, slug="zoo")
    index = await in_database(lambda: source.live_index)
    assert index is not None
    return vectors.collection(index.pk)


async def test_a_filter_and_the_groups_of_the_caller_are_asked_in_postgresql(in_use, settings):
    await zoo()
    await copied()
    wanted = {"filter": {"number": {"gte": 12}}, "mode": "meaning"}
    assert await found("honey", **wanted) == await without_store(settings, "honey", **wanted)

    for groups, may_see in (((), False), (("keepers",), True)):
        with acting_as(Caller(groups=groups)):
            shown = await found("bees make honey", mode="meaning", limit=60)
        assert ("bees/make honey" in shown) is may_see
        assert len(shown) == (60 if may_see else 54)


async def test_as_many_passages_as_are_asked_for_are_found_while_so_many_exist(in_use, monkeypatch):
    await zoo()
    await copied()
    # What is nearest in the store is mostly gone, and the store does not give more.
    monkeypatch.setattr(type(in_use), "most_hits", 20)
    nearest = await found("bees make honey", mode="meaning", limit=20)
    await in_database(Document.objects.filter(remote_id__in=nearest[:18]).delete)

    assert len(await found("bees make honey", mode="meaning", limit=30)) == 30


async def test_is_asked_again_while_too_few_of_its_hits_may_be_shown(in_use, monkeypatch):
    await zoo()
    await copied()
    limits: list[int] = []
    nearest = type(in_use).nearest

    def noted(store: Any, name: str, vector: Any, *, limit: int) -> Any:
        limits.append(limit)
        return nearest(store, name, vector, limit=limit)

    monkeypatch.setattr(type(in_use), "nearest", noted)
    monkeypatch.setattr("knowledge.ranking.CANDIDATES", 4)
    monkeypatch.setattr("knowledge.ranking._narrow_documents", lambda generation: 2)

    shown = await found("bees", mode="meaning", limit=4, filter={"deed": "swim in ponds"})

    assert len(shown) == 4
    assert limits[:2] == [16, 64]


async def test_a_chunk_that_is_only_in_the_store_is_never_found(in_use):
    await zoo()
    await copied()
    await in_database(Document.objects.filter(remote_id="bees/make honey").delete)

    assert "bees/make honey" not in await found("bees make honey", limit=60, mode="meaning")


async def test_a_disabled_chunk_is_not_found(in_use):
    await zoo()
    await copied()
    await in_database(lambda: Chunk.objects.filter(document__remote_id="bees/make honey").update(is_disabled=True))
    assert "bees/make honey" not in await found("bees make honey", limit=60, mode="meaning")


async def test_what_is_new_is_found_before_it_was_copied(in_use):
    source = await zoo()
    await copied()
    from tests.knowledge.chunks import add_pages

    await in_database(add_pages, source, [Page("penguin", "A penguin hatches its egg on its feet in the ice.")])

    assert (await found("eggs on the ice", mode="meaning"))[0] == "penguin"


async def test_answers_without_a_store_that_is_away_and_says_so_in_the_trace(in_use, settings, monkeypatch):
    await zoo()
    await copied()
    expected = await without_store(settings, "Who makes honey?")
    here, away = settings.VECTOR_DB_URL, f"http://127.0.0.1:{free_port()}"
    from knowledge.models import VectorCopy

    await in_database(lambda: VectorCopy.objects.filter(url=here).update(url=away))
    settings.VECTOR_DB_URL = away
    forget_configuration()

    for _ in range(2):
        with trace(feature="test") as record:
            assert await found("Who makes honey?") == expected
        (step,) = (span for span in record.spans if span.name == "vector store")
        assert step.status == "error"
        assert away in step.error
        assert "PostgreSQL" in step.attributes["instead"]
    # Of a large generation the words say what is weighed.
    monkeypatch.setattr("knowledge.ranking.MOST_COMPARED", 10)
    assert (await found("honey", limit=3))[0].endswith("make honey")
    assert vectors.readiness()["vector_store"].startswith(type(in_use).label)


async def test_no_hnsw_index_is_kept_beside_the_copies(in_use, settings):
    # Emptying the tables leaves the indexes that other tests have had built.
    await in_database(hnsw.maintain)
    await zoo()
    settings.VECTOR_DB_TYPE = "pgvector"
    assert await in_database(hnsw.maintain) == 1
    settings.VECTOR_DB_TYPE = type(in_use).__module__.rpartition(".")[2]
    assert await in_database(hnsw.maintain) == 0

    await copied()
    assert await in_database(hnsw.maintain) == 1
    assert await in_database(hnsw._existing) == {}
    assert vectors.readiness() == {"vector_store": "ok"}
