"""Passages with what stands before and after them: one statement, exact texts, merged where they touch."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from knowledge import retrieval
from knowledge.models import Chunk, Document, KnowledgeSource
from knowledge.retrieval import Passage
from magnet.database import in_database, raw_pool
from tests import factories
from tools_app import neighbours, retrieving
from tools_app.retrieval_loading import LoadedRetrieval

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]

SUBJECTS = ("soup", "bread", "cheese", "coffee", "cake", "fruit")


@pytest.fixture
def cantina(settings, tmp_path) -> KnowledgeSource:
    settings.MEDIA_ROOT = tmp_path
    made = factories.source("cantina")
    filling = "It is made each morning by people who like to cook for their colleagues. " * 12
    factories.push(
        made, menu="\n\n".join(f"# {name.title()}\n\nOn {name} we spend a lot. {filling}" for name in SUBJECTS)
    )
    return made


async def passages_about(question: str, *, limit: int = 1) -> list[Passage]:
    return list((await retrieval.search(question, sources=["cantina"], limit=limit, mode="words")).passages)


async def document() -> Document:
    return await in_database(Document.objects.get)


async def test_a_passage_is_shown_with_its_neighbours_as_the_exact_text_of_its_document(cantina):
    (coffee,) = await passages_about("coffee")

    (wide,) = await neighbours.around([coffee], count=1, max_tokens=10_000, question="coffee")

    text = (await document()).text
    assert wide.start < coffee.start
    assert wide.end > coffee.end
    assert wide.text == text[wide.start : wide.end]
    assert "On cheese" in wide.text
    assert "On cake" in wide.text
    assert (wide.chunk_id, wide.score) == (coffee.chunk_id, coffee.score)


async def test_passages_that_touch_become_one_at_the_place_of_the_better(cantina):
    coffee, soup = (await passages_about("coffee"))[0], (await passages_about("soup"))[0]
    cake = (await passages_about("cake"))[0]

    merged = await neighbours.around([coffee, soup, cake], count=1, max_tokens=10_000, question="coffee")

    text = (await document()).text
    assert [passage.chunk_id for passage in merged] == [coffee.chunk_id]
    assert all(passage.text == text[passage.start : passage.end] for passage in merged)
    places = sorted((passage.start, passage.end) for passage in merged)
    assert all(end <= start for (_start, end), (start, _end) in pairwise(places))


async def test_neighbours_stay_within_their_tokens_and_never_push_out_a_passage(cantina):
    (coffee,) = await passages_about("coffee")

    assert await neighbours.around([coffee], count=2, max_tokens=5, question="coffee") == [coffee]

    settings = LoadedRetrieval(sources=("cantina",), search_mode="words", passage_count=2, neighbour_count=2)
    question = "coffee soup"
    alone = await retrieving.find(LoadedRetrieval(sources=("cantina",), search_mode="words", passage_count=2), question)
    tight = sum(passage.token_count for passage in alone.passages)
    found = await retrieving.find(settings, question, room=tight)

    assert [passage.chunk_id for passage in found.passages] == [passage.chunk_id for passage in alone.passages]


async def test_where_passages_leave_no_room_the_best_ones_stay_and_are_not_merged(cantina):
    question, found_by_words = "coffee soup cake", {"sources": ("cantina",), "search_mode": "words"}
    alone = (await retrieving.find(LoadedRetrieval(**found_by_words, passage_count=3), question)).passages
    room = sum(passage.token_count for passage in alone[:2])

    settings = LoadedRetrieval(**found_by_words, passage_count=3, neighbour_count=1)
    found = await retrieving.find(settings, question, room=room)

    assert [passage.chunk_id for passage in found.passages] == [passage.chunk_id for passage in alone[:2]]
    said = next(stage.said for stage in found.stages if stage.name == "neighbours")
    assert said == "The passages alone leave no room."


async def test_a_disabled_chunk_is_not_shown_as_a_neighbour(cantina):
    (coffee,) = await passages_about("coffee")
    position = await in_database(lambda: Chunk.objects.get(pk=coffee.chunk_id).position)
    await in_database(lambda: Chunk.objects.filter(position=position + 1).update(is_disabled=True))

    (wide,) = await neighbours.around([coffee], count=2, max_tokens=10_000, question="coffee")

    assert wide.end == coffee.end
    assert wide.start < coffee.start


async def test_the_pages_of_a_merged_passage_are_those_of_its_chunks(cantina):
    def paged() -> None:
        chunks = list(Chunk.objects.order_by("position"))
        Document.objects.update(page_starts=[chunk.start for chunk in chunks])
        for number, chunk in enumerate(chunks, start=1):
            Chunk.objects.filter(pk=chunk.pk).update(page=number)

    await in_database(paged)
    (coffee,) = await passages_about("coffee")

    (wide,) = await neighbours.around([coffee], count=1, max_tokens=10_000, question="coffee")

    assert coffee.page is not None
    assert wide.pages is not None
    assert (wide.pages.first, wide.pages.last) == (coffee.page - 1, coffee.page + 1)
    assert wide.page == coffee.page


async def test_all_neighbours_come_by_one_statement_that_reads_no_table_whole(cantina, monkeypatch):
    asked: list[Any] = []
    honest = neighbours._near

    async def counted(chunks: Any, *, count: int) -> Any:
        asked.append(chunks)
        return await honest(chunks, count=count)

    monkeypatch.setattr(neighbours, "_near", counted)
    found = await passages_about("soup bread coffee fruit", limit=4)
    await neighbours.around(found, count=2, max_tokens=10_000, question="soup")
    assert len(asked) == 1
    assert len(asked[0]) == len(found)

    pool = await raw_pool()
    async with pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
        await cursor.execute("set local enable_seqscan = off")
        await cursor.execute(
            "explain (format json) " + neighbours.AROUND, {"chunks": [each.chunk_id for each in found], "count": 2}
        )
        row = await cursor.fetchone()
    assert row is not None
    plan = json.dumps(row[0])
    assert "Seq Scan" not in plan
    assert "Index Cond" in plan
