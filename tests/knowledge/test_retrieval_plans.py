"""Large generations are searched through their index, narrow filters exactly, and neither loses a passage."""

from __future__ import annotations

import pytest
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from knowledge import generations, hnsw, ranking, retrieval, statements
from knowledge.filters import compile_filter
from knowledge.ranking import Question
from magnet.database import raw_pool
from tests.knowledge.crowd import make_crowd, random_vectors

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]

CHUNKS = 25_000


@pytest.fixture
def crowd(searching):
    """25,000 chunks with an HNSW index, beside a source too small for one."""
    # Emptying the tables leaves the indexes that other tests have had built.
    hnsw.maintain()
    index = make_crowd("crowd", count=CHUNKS)
    make_crowd("small", count=500)
    assert hnsw.maintain() == 1
    return index


async def question(vector, *, sources=("crowd",), limit=10, text="w77", filter=None, mode="hybrid") -> Question:
    searched = await generations.live(sources)
    condition = compile_filter(filter) if filter else None
    vectors = {g.index_id: vector for g in searched}
    return Question(text, mode, limit, searched, vectors, condition, is_counted=condition is not None)


async def plan(asked: Question, *, exactly: bool | None = None) -> str:
    scope = await ranking._scope(asked)
    parts = tuple(ranking._part(generation, scope) for generation in asked.searched)
    if exactly is not None:
        parts = tuple(statements.Part(part.index_id, part.dimensions, exactly) for part in parts)
    condition, values = asked.condition, ranking._values(asked, scope)
    statement = statements.search(asked.mode, parts, wording="one language", condition=condition)
    return await general_plan(statement, values)


async def plan_of_few(asked: Question) -> str:
    """Documents that were found while they were counted are not looked for again, and their chunks fetched once."""
    scope = await ranking._scope(asked)
    assert scope is not None
    documents = scope.documents_of(asked.searched)
    assert documents is not None
    parts = tuple(ranking._part(generation, scope) for generation in asked.searched)
    statement = statements.search_found(asked.mode, parts, wording="one language")
    return await general_plan(statement, {**ranking._values(asked, scope), "scope": documents})


async def general_plan(statement, values) -> str:
    """The plan of a statement that is prepared, as all are that come again: planned without its values."""
    async with (await raw_pool()).connection() as connection:
        query = PostgresQuery(Transformer(connection))
        query.convert(statement, values)
        cursor = await connection.execute(b"explain (generic_plan) " + query.query)
        return "\n".join(row[0] for row in await cursor.fetchall())


async def nearest(asked: Question, *, exactly: bool) -> list[int]:
    """The ids of the best chunks by meaning, by the plan that the search chooses or compared one by one."""
    if not exactly:
        rows, _scope = await ranking.ranked(asked)
    else:
        parts = tuple(statements.Part(g.index_id, g.dimensions, True) for g in asked.searched)
        rows = await ranking._rows(asked, parts, await ranking._scope(asked))
    return [row[0] for row in rows[: asked.limit]]


async def recall(how_many: int, **how) -> float:
    hits = 0
    for vector in random_vectors(how_many):
        asked = await question(vector, mode="meaning", **how)
        hits += len(set(await nearest(asked, exactly=False)) & set(await nearest(asked, exactly=True)))
    return hits / (how_many * 10)


async def test_a_large_generation_is_searched_by_its_index_and_loses_nothing(crowd):
    """One test for one crowd: making it takes seconds."""
    (vector,) = random_vectors(1)

    await without_a_filter(crowd, vector)
    await by_words(crowd)
    await by_a_single_character(vector)
    await under_a_narrow_filter(crowd, vector)
    await under_a_wide_filter(crowd, vector)
    await for_several_sources(crowd, vector)
    await when_the_index_gives_up(crowd, vector)


async def without_a_filter(crowd, vector):
    told = await plan(await question(vector))

    assert f"Index Scan using {crowd.hnsw_name}" in told
    assert "Bitmap Index Scan on chunk_by_lexemes" in told
    assert "Seq Scan on knowledge_chunk" not in told
    assert await recall(20) >= 0.99
    # Without the index the same question is compared with every chunk.
    assert crowd.hnsw_name not in await plan(await question(vector), exactly=True)


async def under_a_narrow_filter(crowd, vector):
    narrow = {"percent": 7}

    told = await plan_of_few(await question(vector, filter=narrow))
    assert crowd.hnsw_name not in told
    assert "Seq Scan on knowledge_chunk" not in told
    assert "knowledge_indexeddocument" not in told
    assert told.count("Index Scan using knowledge_chunk_document_id") == 1
    assert await recall(5, filter=narrow) == 1.0
    rows, scope = await ranking.ranked(await question(vector, filter=narrow, text="w107"))
    assert (scope, len(rows) >= 10) == (CHUNKS // 100, True)


async def under_a_wide_filter(crowd, vector):
    wide = {"percent": {"lt": 30}}

    assert f"Index Scan using {crowd.hnsw_name}" in await plan(await question(vector, filter=wide))
    await a_sample_says_that_it_is_wide(await question(vector, filter=wide))
    assert await recall(10, filter=wide) >= 0.99
    rows, scope = await ranking.ranked(await question(vector, filter=wide, limit=200))
    assert (scope, len(rows)) == (CHUNKS * 30 // 100, 200)


async def a_sample_says_that_it_is_wide(asked: Question):
    """Never more than there are; and of some blocks of the ledger, not of all."""
    (generation,) = asked.searched
    assert asked.condition is not None
    statement = statements.sampled(
        generation.index_id, source_id=generation.source_id, condition=asked.condition, percent=4.0
    )

    assert ranking._narrow_documents(generation) < await ranking._surely(asked, generation) <= CHUNKS * 30 // 100
    assert "Sample Scan on knowledge_indexeddocument" in await general_plan(statement, asked.condition.values)


async def for_several_sources(crowd, vector):
    told = await plan(await question(vector, sources=("crowd", "small")))

    assert f"Index Scan using {crowd.hnsw_name}" in told
    rows, _ = await ranking.ranked(await question(vector, sources=("small", "crowd"), limit=200))
    assert len(rows) >= 200


async def when_the_index_gives_up(crowd, vector):
    """The index returns what it met before its limit; then every chunk in scope is compared."""
    asked = await question(vector, filter={"percent": {"lt": 30}}, mode="meaning", limit=50)
    async with (await raw_pool()).connection() as connection:
        await connection.execute("set hnsw.iterative_scan = off")
        await connection.execute("set hnsw.ef_search = 20")
    scope = await ranking._scope(asked)
    parts = tuple(ranking._part(generation, scope) for generation in asked.searched)

    assert len(await ranking._rows(asked, parts, scope)) < 20
    assert len((await ranking.ranked(asked))[0]) >= 50


async def by_words(crowd):
    told = await plan(await question(None, mode="words"))

    assert "chunk_by_lexemes" in told
    assert crowd.hnsw_name not in told
    found = await retrieval.search("w77", sources=["crowd"], limit=20, mode="words")
    assert [passage.text for passage in found.passages] == ["w77"] * (CHUNKS // 5000)


async def by_a_single_character(vector):
    """The pairs that hold it are looked up, not all words read."""
    asked = await question(vector, text="税")
    parts = tuple(ranking._part(generation, None) for generation in asked.searched)
    statement = statements.search("hybrid", parts, wording="single characters")

    told = await general_plan(statement, ranking._values(asked, None))

    assert "Scan using word_by_first_character" in told or "Scan on word_by_first_character" in told
    assert "Scan using word_by_last_character" in told or "Scan on word_by_last_character" in told
