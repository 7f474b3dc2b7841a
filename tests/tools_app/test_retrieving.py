"""Finding passages stage by stage: what each stage keeps and drops, and that none of them can fail an answer."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from knowledge import uploads
from knowledge.models import Document, KnowledgeSource
from knowledge.uploads import PushedDocument
from magnet import attempts
from magnet.database import forget_configuration, in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.models import AIModel, Span, SpanPayload
from magnet.providers.base import ChatMessage
from magnet.tracing import flush, trace
from tests import factories
from tests.fake_openai import FakeOpenAI, Scripted
from tools_app import questions, retrieving
from tools_app.retrieval_loading import LoadedRetrieval
from tools_app.stages import Retrieved, Stage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]

DOCUMENTS = {
    "opening": "# Opening hours\n\nThe office in Riga opens at nine and closes at five.",
    "parking": "# Parking\n\nVisitors of the office park their cars behind the building, next to the bakery.",
    "pets": "# Pets\n\nDogs are welcome in the office on Fridays. Cats stay at home.",
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def office(settings, tmp_path) -> KnowledgeSource:
    settings.MEDIA_ROOT = tmp_path
    ensure_default_prompts()
    made = factories.source("office")
    factories.push(made, **DOCUMENTS)
    return made


@pytest.fixture
def cloud_model(fake_openai) -> AIModel:
    provider = factories.openai_provider(fake_openai.base_url)
    model = AIModel.objects.create(
        provider=provider, slug="gpt-fake", name="GPT fake", model_name="gpt-fake", purpose="chat",
        input_price=Decimal(2),
    )  # fmt: skip
    model.make_default()
    return model


@pytest.fixture
def rerank_model(fake_openai) -> AIModel:
    provider = factories.openai_provider(fake_openai.base_url, slug="order", name="Order")
    made = AIModel.objects.create(provider=provider, slug="order", name="Order", model_name="order-1", purpose="rerank")
    return AIModel.objects.for_use().get(pk=made.pk)


async def find(question: str, *, history: tuple[ChatMessage, ...] = (), filter: Any = None, **set_to: Any) -> Retrieved:
    settings = LoadedRetrieval(**{"sources": ("office",), **set_to})
    return await retrieving.find(settings, question, history=history, filter=filter)


def names(found: Retrieved) -> list[str]:
    return [passage.remote_id for passage in found.passages]


def stage(found: Retrieved, name: str) -> Stage:
    return next(each for each in found.stages if each.name == name)


# -- What is always done -----------------------------------------------------------------------------------------------


async def test_without_options_only_what_is_needed_is_done_and_no_model_writes(office):
    found = await find("When does the office in Riga open?")

    assert names(found)[0] == "opening"
    assert [each.name for each in found.stages] == ["search", "minimum_score", "passages", "budget"]
    assert found.queries == ("When does the office in Riga open?",)


async def test_what_scores_too_low_or_is_too_much_is_dropped_with_its_rank_and_the_setting(office):
    low = await find("office Riga opens", minimum_score=0.6)
    few = await find("office Riga opens", passage_count=1)

    dropped = stage(low, "minimum_score").dropped
    assert names(low) == ["opening"]
    assert [each.rank for each in dropped] == [2, 3]
    assert all(each.score < 0.6 for each in dropped)
    assert stage(low, "minimum_score").setting == {"minimum_score": 0.6}
    assert [each.rank for each in stage(few, "search").dropped] == [2, 3]


async def test_the_room_in_the_prompt_is_kept_and_the_best_is_cut_to_it(office):
    settings = LoadedRetrieval(sources=("office",))

    found = await retrieving.find(settings, "When does the office in Riga open?", room=5)

    assert len(found.passages) == 1
    passage = found.passages[0]
    assert passage.token_count == 5
    assert passage.end - passage.start == len(passage.text)
    assert stage(found, "budget").setting == {"context_tokens": 5}


async def test_the_stages_are_kept_with_the_trace_only_where_everything_is_recorded(office):
    for recording in ("full", "metadata"):
        with trace(feature="test", slug=recording, recording=recording):
            await find("When does the office in Riga open?", minimum_score=0.6)
    assert await in_database(flush)

    def payload(slug: str) -> Any:
        span = Span.objects.select_related("payload").get(name="stages", trace__slug=slug)
        return getattr(span, "payload", None)

    kept = (await in_database(payload, "full")).output
    assert await in_database(payload, "metadata") is None
    assert [each["name"] for each in kept["stages"]] == ["search", "minimum_score", "passages", "budget"]
    dropped = kept["stages"][1]["dropped"]
    assert len(dropped[0]) == 3
    assert len(kept["used"]) == 1
    assert set(kept["used"]) < set(kept["candidates"])


# -- Filters -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def countries(settings, tmp_path) -> KnowledgeSource:
    settings.MEDIA_ROOT = tmp_path
    ensure_default_prompts()
    made = factories.source("office")
    pushed = [
        PushedDocument(remote_id=f"{country}-{year}", text=f"Holidays: {days} days of leave in {country}, {year}.",
                       metadata={"country": country, "year": year})
        for country, year, days in (("LV", 2024, 20), ("LV", 2025, 21), ("DE", 2025, 30))
    ]  # fmt: skip
    from knowledge import sync

    run = uploads.push(made, pushed).run
    assert run is not None
    sync.run_to_end(run)
    return made


async def test_the_filter_of_the_tool_and_of_the_caller_both_have_to_hold(countries):
    found = await find("days of leave", fixed_filter={"country": "LV"}, filter={"year": {"gte": 2025}})

    assert names(found) == ["LV-2025"]
    assert found.documents_in_scope == 1
    assert found.filter == {"and": [{"country": "LV"}, {"year": {"gte": 2025}}]}


async def test_a_model_chooses_a_filter_among_the_fields_it_may(countries, cloud_model, fake_openai):
    chosen = [
        {"field": "country", "comparison": "eq", "value": "DE"},
        {"field": "title", "comparison": "eq", "value": "x"},
        {"field": "country", "comparison": "gte; drop table", "value": "x"},
    ]
    fake_openai.rule = lambda body: Scripted(text=json.dumps({"filter": chosen[:2]}))

    found = await find("How many days of leave in Germany?", filter_fields=("country", "year"))

    assert names(found) == ["DE-2025"]
    assert found.filter == {"country": {"eq": "DE"}}
    assert "“title” is not among" in stage(found, "filter").said
    assert "year (number)" in str(fake_openai.requests[0].body["messages"])


async def test_examples_of_documents_are_not_kept_beside_the_answer(countries, cloud_model, fake_openai):
    fake_openai.rule = lambda body: Scripted(text=json.dumps({"filter": []}))

    with trace(feature="test"):
        await find("How many days of leave?", filter_fields=("country",))
    assert await in_database(flush)

    asked = json.dumps(fake_openai.requests[-1].body, ensure_ascii=False)
    kept = await in_database(lambda: list(SpanPayload.objects.values_list("input", "output")))
    assert "such as" in asked
    assert kept
    assert not [part for part in kept if "such as" in str(part)]


async def test_a_chosen_filter_that_leaves_nothing_is_left_out_and_said(countries, cloud_model, fake_openai):
    rows = {"filter": [{"field": "country", "comparison": "eq", "value": "FR"}]}
    fake_openai.rule = lambda body: Scripted(text=json.dumps(rows))

    found = await find("days of leave", filter_fields=("country",), fixed_filter={"year": 2025})

    assert sorted(names(found)) == ["DE-2025", "LV-2025"]
    assert found.filter == {"year": 2025}
    assert stage(found, "filter").failed


# -- The question ------------------------------------------------------------------------------------------------------

TALK = (ChatMessage("user", "Tell me about the office in Riga."), ChatMessage("assistant", "It is in Riga."))


async def test_in_a_conversation_a_model_makes_a_whole_question_of_the_last_one(office, cloud_model, fake_openai):
    fake_openai.rule = lambda body: Scripted(text="When does the office in Riga open?")

    found = await find("And when does it open?", history=TALK, rewrites_question=True)

    assert found.question == "When does the office in Riga open?"
    assert names(found)[0] == "opening"
    assert "office in Riga" in str(fake_openai.requests[0].body["messages"])


async def test_several_wordings_are_searched_and_their_orders_fused(office, cloud_model, fake_openai):
    queries = {"queries": ["Where do visitors park cars?", "bakery building"]}
    fake_openai.rule = lambda body: Scripted(text=json.dumps(queries))

    found = await find("Where to leave the automobile?", query_count=3)

    assert found.queries == ("Where to leave the automobile?", *queries["queries"])
    assert names(found)[0] == "parking"
    assert stage(found, "fuse").kept == 3
    assert len({passage.chunk_id for passage in found.passages}) == len(found.passages)


async def test_a_question_in_another_language_is_translated_for_a_model_that_knows_one(
    office, cloud_model, fake_openai
):
    await in_database(lambda: AIModel.objects.filter(purpose="embedding").update(is_multilingual=False))
    forget_configuration()
    fake_openai.rule = lambda body: Scripted(text=json.dumps({"translations": ["When does the office open?"]}))

    foreign = await find("Wann öffnet das Büro in Riga am Morgen?", translates_question=True)
    own = await find("When does the office in Riga open in the morning?", translates_question=True)

    assert foreign.language == "de"
    assert foreign.queries[1] == "When does the office open?"
    assert names(foreign)[0] == "opening"
    assert own.queries == ("When does the office in Riga open in the morning?",)
    assert len(fake_openai.requests) == 1


ASKING = {"rewrites_question": True, "query_count": 3, "filter_fields": ("country",)}


async def test_without_a_language_model_the_stages_that_need_one_are_left_out_and_say_so(office):
    found = await find("When does it open?", history=TALK, **ASKING)

    assert found.passages
    for name in ("rewrite", "queries", "filter"):
        assert stage(found, name).said == questions.NO_MODEL
        assert not stage(found, name).failed


@pytest.mark.parametrize("reply", [Scripted(status=401), Scripted(text="no JSON"), Scripted(text='{"other": [1]}')])
async def test_a_failing_model_never_fails_the_search(office, cloud_model, fake_openai, reply):
    fake_openai.rule = lambda body: reply

    found = await find("When does the office open?", **{**ASKING, "rewrites_question": False})

    assert names(found)[0] == "opening"
    assert stage(found, "queries").failed
    assert stage(found, "filter").failed


async def test_a_slow_model_is_not_waited_for(office, cloud_model, fake_openai, monkeypatch):
    monkeypatch.setattr(questions, "MODEL_SECONDS", 0.05)
    fake_openai.rule = lambda body: Scripted(text="…", delay_seconds=30)

    found = await find("When does it open?", history=TALK, rewrites_question=True)

    assert "longer than" in stage(found, "rewrite").said
    assert found.question == "When does it open?"


async def test_a_trace_freezes_the_versions_of_what_was_asked_beside_the_template_of_the_answer(office, cloud_model):
    with trace(feature="test", versions={"prompt_template": {"slug": "mine"}}) as record:
        await find("When does it open?", history=TALK, rewrites_question=True)

        assert record.versions["prompt_template"] == {"slug": "mine"}
        assert record.versions["asked"] == {"rewrite-question": 1}


# -- What counts more --------------------------------------------------------------------------------------------------


async def test_a_source_that_counts_more_comes_first_and_scores_stay_within_one(office):
    other = await in_database(lambda: factories.source("archive"))
    await in_database(lambda: factories.push(other, old="The office in Riga opened at ten. It was long ago."))
    both = {"sources": ("office", "archive")}

    first = (await find("office in Riga", **both)).passages[0].source
    other = next(slug for slug in both["sources"] if slug != first)
    boosted = await find("office in Riga", **both, source_boosts={other: 10.0})

    assert boosted.passages[0].source == other
    assert all(passage.score <= 1 for passage in boosted.passages)
    assert stage(boosted, "boosts").setting == {"source_boosts": {other: 10.0}}


async def test_an_old_document_scores_half_as_much_after_its_half_life(office):
    before = timezone.now() - timedelta(days=30)
    await in_database(lambda: Document.objects.filter(remote_id="opening").update(changed_at=before))

    usual = {passage.remote_id: passage.score for passage in (await find("office Riga opens")).passages}
    aged = {p.remote_id: p.score for p in (await find("office Riga opens", half_life_days=30)).passages}

    assert aged["opening"] == pytest.approx(usual["opening"] / 2, rel=1e-3)
    assert aged["pets"] == pytest.approx(usual["pets"], rel=1e-3)


async def test_freshness_goes_by_a_date_of_the_metadata_where_one_is_named(settings, tmp_path):
    def furnish() -> None:
        from knowledge import sync

        settings.MEDIA_ROOT = tmp_path
        made = factories.source("office")
        day = timezone.now().date()
        pushed = [
            PushedDocument(remote_id="new", text="Prices of parking.", metadata={"valid": day.isoformat()}),
            PushedDocument(
                remote_id="old", text="Prices of parking.",
                metadata={"valid": (day - timedelta(days=20)).isoformat()},
            ),
            PushedDocument(remote_id="undated", text="Prices of parking.", metadata={"valid": "some day"}),
        ]  # fmt: skip
        run = uploads.push(made, pushed).run
        assert run is not None
        sync.run_to_end(run)

    await in_database(furnish)

    found = await find("Prices of parking", half_life_days=10, freshness_field="valid")

    scores = {passage.remote_id: passage.score for passage in found.passages}
    assert scores["new"] > scores["undated"] > scores["old"]


async def test_of_one_document_no_more_is_used_than_may_be(office):
    long = "\n\n".join(f"# Part {n}\n\nThe cantina serves soup number {n}. " + "Soup is hot. " * 60 for n in range(6))
    await in_database(lambda: factories.push(office, menu=long, other="Soup is served on Mondays as well."))

    found = await find("soup", most_per_document=1)

    assert sorted(names(found)).count("menu") == 1
    assert "other" in names(found)
    assert len(stage(found, "per_document").dropped) >= 4


# -- Reranking ---------------------------------------------------------------------------------------------------------


async def test_the_rerank_model_puts_candidates_in_order_and_drops_what_it_does_not_score(
    office, rerank_model, fake_openai: FakeOpenAI
):
    ranking = {"results": [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.4}]}
    fake_openai.script(Scripted(body=json.dumps(ranking).encode()))
    before = names(await find("office"))

    found = await find("office", rerank_model=rerank_model, rerank_candidates=3, rerank_top_n=3)

    assert names(found) == [before[2], before[0]]
    assert [getattr(passage, "rerank_score", None) for passage in found.passages] == [0.9, 0.4]
    assert [each.rank for each in stage(found, "rerank").dropped] == [2]
    sent = fake_openai.requests[0].body
    assert (sent["top_n"], len(sent["documents"])) == (3, 3)
    assert not found.rerank_failed


@pytest.mark.parametrize("how", ["refused", "garbage", "slow"])
async def test_a_rerank_model_that_fails_leaves_the_order_before_and_it_is_said(
    office, rerank_model, fake_openai, monkeypatch, how
):
    monkeypatch.setattr("tools_app.choosing.RERANK_SECONDS", 0.3 if how == "slow" else 10)
    replies = {"refused": Scripted(status=401), "garbage": Scripted(body=b"<html>"),
               "slow": Scripted(delay_seconds=30)}  # fmt: skip
    fake_openai.rule = lambda body: replies[how]
    before = names(await find("When does the office open?"))

    found = await find("When does the office open?", rerank_model=rerank_model)

    assert names(found) == before
    assert found.rerank_failed
    assert "The order before was kept" in stage(found, "rerank").said
