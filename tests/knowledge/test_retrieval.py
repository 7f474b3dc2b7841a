"""A search finds the passages that fit best, always as many as were asked for, and only those one may see."""

from __future__ import annotations

import pytest

from knowledge import retrieval
from knowledge.models import Document, KnowledgeIndex
from magnet.callers import Caller, acting_as
from magnet.database import forget_configuration, in_database
from magnet.errors import InvalidInput, NotConfigured, NotFound
from magnet.models import AIModel
from magnet.tracing import trace
from tests import factories
from tests.knowledge.chunks import Page, add_pages, make_source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]

OFFICE = [
    Page("opening", "The office in Riga opens at nine and closes at five.", title="Opening hours"),
    Page("parking", "Visitors park their cars behind the building, next to the bakery.", title="Parking"),
    Page("pets", "Dogs are welcome on Fridays. Cats stay at home.", title="Pets"),
]


@pytest.fixture
def office():
    return make_source("office", OFFICE)


async def search(query: str, **how) -> retrieval.Found:
    return await retrieval.search(query, **{"sources": ["office"], "limit": 3, **how})


async def found(query: str, **how) -> list[str]:
    return [passage.remote_id for passage in (await search(query, **how)).passages]


async def test_the_best_passage_comes_first_with_its_document(office):
    add = {"url": "https://wiki.example/canteen"}
    await in_database(add_pages, office, [Page("food", "Lunch is served from noon.", title="Canteen", columns=add)])

    first = (await search("When is lunch?")).passages[0]

    document = await in_database(lambda: Document.objects.get(remote_id="food"))
    assert (first.source, first.remote_id, first.title) == ("office", "food", "Canteen")
    assert (first.document_id, first.url) == (document.pk, "https://wiki.example/canteen")
    assert document.text[first.start : first.end] == first.text == "Lunch is served from noon."
    assert (first.content_hash, first.page, first.heading) == (document.content_hash, None, "")


@pytest.mark.usefixtures("office")
async def test_meaning_and_words_share_the_score_as_the_model_says():
    weight = (await in_database(factories.local_embedding)).fusion_weight

    passages = (await search("Where do visitors park?")).passages

    assert passages[0].remote_id == "parking"
    scores = [passage.score for passage in passages]
    assert scores == sorted(scores, reverse=True)
    for passage in passages:
        assert 0 <= passage.score <= 1
        assert passage.score == pytest.approx(weight * passage.semantic_score + (1 - weight) * passage.word_score)


@pytest.mark.usefixtures("office")
async def test_a_question_of_other_words_is_found_by_its_meaning():
    assert (await found("automobile"))[0] == "parking"
    assert (await found("automobile", mode="meaning"))[0] == "parking"


@pytest.mark.usefixtures("office")
async def test_as_many_passages_as_were_asked_for_even_when_no_word_matches():
    assert len(await found("xylophone", limit=2)) == 2
    assert len(await found("the of and", limit=3)) == 3
    assert len(await found("opens", limit=50)) == 3


@pytest.mark.usefixtures("office")
async def test_search_by_words_finds_only_what_shares_a_word():
    assert set(await found("the cat and the bakery", mode="words")) == {"pets", "parking"}
    assert await found("xylophone", mode="words") == []
    assert await found("the of and", mode="words") == []


@pytest.mark.usefixtures("office")
async def test_what_nobody_wrote_about_scores_low():
    known = (await search("When does the office in Riga open?")).passages[0].score
    unknown = (await search("How do I tune the office xylophone and its mallets?")).passages[0].score

    assert unknown < 0.3 < 0.6 < known


@pytest.mark.usefixtures("office")
async def test_the_minimum_score_drops_what_fits_worse():
    everything = (await search("When does the office open?")).passages

    above = (await search("When does the office open?", minimum_score=everything[0].score - 0.01)).passages

    assert [passage.remote_id for passage in above] == ["opening"]
    assert (await search("xylophone", minimum_score=0.9)).passages == ()


async def test_a_filter_finds_as_many_passages_as_exist_in_it():
    numbered = [Page(str(n), f"Page {n} on cakes", metadata={"percent": n % 100}) for n in range(600)]
    await in_database(make_source, "office", numbered)

    narrow = await search("cakes", limit=6, filter={"percent": 7})
    wide = await search("pies", limit=20, filter={"percent": {"lt": 10}})
    none = await search("cakes", filter={"percent": 100})

    assert ({p.remote_id for p in narrow.passages}, narrow.documents_in_scope) == (
        {"7", "107", "207", "307", "407", "507"},
        6,
    )
    assert (len(wide.passages), wide.documents_in_scope) == (20, 60)
    assert all(int(p.remote_id) % 100 < 10 for p in wide.passages)
    assert (none.passages, none.documents_in_scope) == ((), 0)
    assert (await search("cakes")).documents_in_scope is None


async def test_documents_with_groups_are_found_only_by_their_groups():
    pages = [
        Page("open", "A cake for all"),
        Page("board", "A cake for the board", groups=["board", "audit"]),
        Page("nobody", "A cake for nobody", groups=[]),
    ]
    await in_database(make_source, "office", pages)

    async def seen_by(groups, **how):
        with acting_as(Caller(groups=groups)):
            return set(await found("cake", **how))

    assert await seen_by(None) == {"open", "board", "nobody"}
    assert await seen_by(()) == {"open"}
    assert await seen_by(("staff",)) == {"open"}
    assert await seen_by(("staff", "audit")) == {"open", "board"}
    for mode in ("words", "meaning"):
        assert await seen_by(("staff",), mode=mode) == {"open"}
    assert await seen_by(("staff",), filter={"or": [{"remote_id": "board"}, {"remote_id": "open"}]}) == {"open"}


async def test_only_the_live_generation_is_searched(office):
    def retire() -> None:
        KnowledgeIndex.objects.filter(source=office).update(status="retired")
        forget_configuration()

    assert len(await found("office")) == 3
    await in_database(retire)
    assert await found("office") == []
    assert (await search("office", filter={"title": "Pets"})).documents_in_scope == 0


@pytest.mark.usefixtures("office")
async def test_a_source_without_documents_finds_nothing_and_an_unknown_one_is_named():
    await in_database(factories.source, "fresh")

    assert await found("office", sources=["fresh"]) == []
    assert len(await found("office", sources=["fresh", "office", "office"])) == 3
    with pytest.raises(NotFound, match="“nowhere”"):
        await found("office", sources=["office", "nowhere"])


async def test_a_deleted_document_is_found_no_more(office):
    await in_database(lambda: Document.objects.get(remote_id="pets").delete())

    assert set(await found("Dogs are welcome")) == {"opening", "parking"}


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize(
    "query",
    [
        "When does the office open?\0",
        "office \ud800 open",
        "office:* & !opens | ('x') <-> \\' \\\\ %s %(words)s {0}",
        "C:\\office\\opens https://example.com/opens?a='b'&c=\\d office opens",
        "office opens " * 9_000,
        "office opens " + "x" * 100_000,
        "office opens " + " ".join(f"word{n}" for n in range(12_000)),
    ],
)
async def test_strange_and_endless_questions_are_answered(query):
    for mode in ("hybrid", "meaning", "words"):
        passages = await found(query, mode=mode)
        assert mode == "meaning" or passages[0] == "opening"


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize(
    ("query", "how"),
    [("", {}), (" \n\0", {}), ("\ud800", {}), ("office", {"limit": 0}), ("office", {"limit": 1_000}),
     ("office", {"mode": "magic"}), ("office", {"filter": {"a": {"like": "b"}}})],
)  # fmt: skip
async def test_refuses_what_cannot_be_searched(query, how):
    with pytest.raises(InvalidInput):
        await search(query, **how)


@pytest.mark.usefixtures("office")
async def test_the_trace_tells_what_was_weighed():
    with trace(feature="test") as record:
        result = await search("Where do visitors park?", limit=1)

    (step,) = [span for span in record.spans if span.name == "retrieve"]
    assert step.attributes["candidates"] == 3
    best = result.candidates[0]
    assert best.chunk_id == result.passages[0].chunk_id
    assert (best.source, best.semantic_place, best.word_place) == ("office", 1, 1)
    assert result.candidates[-1].word_place is None
    assert step.output["candidates"][0][0] == best.chunk_id


async def test_a_model_that_changed_its_dimensions_is_named(office, fake_openai):
    def swap_model() -> None:
        provider = factories.openai_provider(fake_openai.base_url)
        model = AIModel.objects.create(
            provider=provider, slug="cloud", name="Cloud", model_name="cloud", purpose="embedding", dimensions=64
        )
        KnowledgeIndex.objects.filter(source=office).update(embedding_model=model)

    await in_database(swap_model)

    with pytest.raises(NotConfigured, match=r"64 numbers.*indexed with 256"):
        await search("office")
