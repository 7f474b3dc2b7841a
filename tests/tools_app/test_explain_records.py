"""What an explanation rests on: what a trace has kept, what it has not, and names that nobody foresaw."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import F
from django.utils import timezone

from knowledge.models import Chunk, KnowledgeSource
from magnet import tracing
from magnet.database import in_database
from magnet.errors import InvalidInput, NotFound
from magnet.ids import uuid7
from magnet.models import Span, SpanPayload, Trace
from tests.tools_app.explaining import QUESTION, asked, hand_in, office, tool_of, why
from tools_app import next_settings, rag
from tools_app.explanations import Finding
from tools_app.models import RagTool
from tools_app.recorded import Recorded, StageRecord

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]


@pytest.fixture
def source(settings, tmp_path) -> KnowledgeSource:
    settings.MEDIA_ROOT = tmp_path
    return office()


@pytest.fixture
def tool(source) -> RagTool:
    return tool_of(source)


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ({"recording": "none"}, "not_recorded"),
        ({"recording": "metadata"}, "not_recorded"),
        ({"started_at": timezone.now() - timedelta(days=40)}, "expired"),
    ],
    ids=["none", "metadata", "too old"],
)
async def test_what_is_not_kept_cannot_be_explained(tool, change, stage) -> None:
    trace_id = await asked()

    def forget() -> None:
        SpanPayload.objects.filter(span__trace=trace_id).delete()
        Trace.objects.filter(pk=trace_id).update(**change)

    await in_database(forget)
    told = await why(trace_id, "Opening hours")

    assert told.stage == stage
    assert told.funnel == ()


async def test_of_two_searches_in_one_story_the_one_that_was_kept_is_explained(tool) -> None:
    loaded = await rag.load("office")
    with tracing.trace(feature="agent", slug="support") as story:
        with tracing.trace(feature="prompt_template", recording="none"):
            await rag.answer(loaded, "Where do visitors park?")
        await rag.answer(loaded, QUESTION)
    await in_database(tracing.flush)

    assert (await why(story.id, "Opening hours")).stage == "cited"


async def test_a_stage_that_dropped_it_is_told_with_its_settings(tool) -> None:
    trace_id = await asked(passage_count=1)

    def note(*stages) -> None:
        chunk = Chunk.objects.get(document__remote_id="pets")
        Span.objects.filter(trace=trace_id, name="stages").delete()
        span = Span.objects.create(
            id=uuid7(), trace_id=trace_id, name="stages", kind="retrieval", started_at=timezone.now()
        )
        kept = [{"name": n, "dropped": [[chunk.pk, rank, 0.31]], "kept": 1, "setting": s} for n, rank, s in stages]
        SpanPayload.objects.create(span=span, created_at=timezone.now(), output={"stages": kept})

    rerank = {"rerank_model": "tiny", "rerank_candidates": 30, "rerank_top_n": 5}
    said = {}
    for stage in [
        ("minimum_score", 3, {"minimum_score": 0.5}),
        ("per_document", 3, {"most_per_document": 2}),
        ("rerank", 7, rerank),
        ("rerank", 35, rerank),
        ("passages", 3, {"passage_count": 2}),
        ("budget", 2, {"context_tokens": 400}),
        ("something new", 2, None),
    ]:
        await in_database(note, stage)
        told = await why(trace_id, "Pets")
        assert told.stage == stage[0]
        said[stage[0], stage[1]] = (told.setting, told.reason)
        if told.setting:
            assert told.setting_url.endswith(f"#id_{told.setting}")

    assert said["minimum_score", 3][1].endswith("scored 0.31, and the tool asks for at least 0.50.")
    assert "after 2 others of the same document" in said["per_document", 3][1]
    assert said["rerank", 7][0] == "rerank_top_n"
    assert "tiny kept 5 others of the 30" in said["rerank", 7][1]
    assert said["rerank", 35][0] == "rerank_candidates"
    assert "tiny reads the first 30" in said["rerank", 35][1]
    assert "takes 2" in said["passages", 3][1]
    assert "400 tokens" in said["budget", 2][1]
    assert said["something new", 2] == ("", "Left out at the stage “something new”, at rank 2.")


@pytest.mark.parametrize(
    ("stages", "first", "then"),
    [
        ([("minimum_score", 3, {"minimum_score": 0.5}), ("passages", 0, {"passage_count": 2})],
         "minimum_score", "passage_count"),
        ([("minimum_score", 2, {"minimum_score": 0.5}), ("passages", 0, {"passage_count": 2})], "minimum_score", ""),
        ([("minimum_score", 9, {"minimum_score": 0.5}), ("rerank", 0, {"rerank_candidates": 8, "rerank_top_n": 2})],
         "minimum_score", "rerank_candidates"),
        ([("rerank", 5, {"rerank_candidates": 8, "rerank_top_n": 2}), ("passages", 0, {"passage_count": 2})],
         "rerank_top_n", "passage_count"),
        ([("rerank", 5, {"rerank_candidates": 8, "rerank_top_n": 2}), ("passages", 0, {"passage_count": 4})],
         "rerank_top_n", ""),
        ([("boosts", 0, None), ("minimum_score", 3, {"minimum_score": 0.5}), ("passages", 0, {"passage_count": 2})],
         "minimum_score", ""),
    ],
)  # fmt: skip
async def test_the_next_setting_in_the_way_is_named_where_it_is_sure(stages, first, then) -> None:
    kept = [StageRecord(name, 1, ((7, rank, 0.31),) if rank else (), setting) for name, rank, setting in stages]
    dropped = next(stage for stage in kept if stage.dropped)
    (_chunk, rank, score) = dropped.dropped[0]

    named, said = next_settings.after(
        Finding(dropped.name, "", first), Recorded(Trace(), stages=tuple(kept)), rank=rank, score=score
    )

    assert named == then
    assert bool(said) == bool(then)


@pytest.mark.parametrize("said", ["", "  ", "\0", "\ud800", "x" * 4_001])
async def test_a_name_that_is_none_is_refused(tool, said) -> None:
    trace_id = await asked()
    with pytest.raises(InvalidInput):
        await why(trace_id, said)


@pytest.mark.parametrize("said", ["'; drop table knowledge_document; --", "%_%", "<b>", "{0}", "x" * 4_000, "🦊", "\\"])
async def test_odd_names_are_only_names(tool, said) -> None:
    assert (await why(await asked(), said)).stage == "never_synced"


async def test_an_unknown_trace_is_not_found(tool) -> None:
    with pytest.raises(NotFound):
        await why(uuid4(), "Pets")


async def test_asking_changes_nothing_and_its_own_trace_keeps_no_text(source, tool) -> None:
    await in_database(lambda: hand_in(source, **{f"n{n}": f"The office in Riga opens at {n}." for n in range(110)}))
    trace_id = await asked()
    before = await in_database(lambda: list(Trace.objects.values_list("pk", F("status"))))

    await why(trace_id, "Pets")
    await in_database(tracing.flush)

    own = await in_database(lambda: list(Trace.objects.exclude(pk__in=[pk for pk, _ in before])))
    assert [trace.feature for trace in own] in ([], ["explain"])
    assert not await in_database(lambda: SpanPayload.objects.filter(span__trace__in=own).exists())


async def test_what_a_template_within_a_longer_story_keeps_none_of_is_not_recorded(tool) -> None:
    loaded = await rag.load("office")
    with tracing.trace(feature="agent", slug="support") as story, tracing.trace(feature="agent", recording="none"):
        await rag.answer(loaded, QUESTION)
    await in_database(tracing.flush)

    told = await why(story.id, "Opening hours")

    assert told.stage == "not_recorded"
    assert "without its texts" in told.reason


async def test_of_several_searches_each_is_explained_by_its_own_and_the_furthest_is_named(tool, source) -> None:
    def another() -> None:
        settings = {"sources": [source], "minimum_score": 0, "passage_count": 1}
        RagTool.objects.create_live(slug="parking", name="Parking", settings=settings)

    await in_database(another)
    office, parking = await rag.load("office"), await rag.load("parking")

    async def called(name: str, asked: rag.LoadedTool, question: str) -> None:
        with tracing.span(f"call {name}", kind="tool"):
            await rag.answer(asked, question)

    with tracing.trace(feature="agent", slug="support") as story:
        await called("hours", office, QUESTION)
        await called("park", parking, "Where do visitors park their cars?")
    await in_database(tracing.flush)

    hours, cars = await why(story.id, "Opening hours"), await why(story.id, "Parking")

    assert (hours.stage, hours.call) == ("cited", "hours")
    assert "furthest in the search by “hours”" in hours.reason
    assert dict(hours.facts)["Search"].startswith(f"“{QUESTION}”, one of 2")
    assert (cars.stage, cars.call) == ("cited", "park")
    pets = await why(story.id, "Pets")
    assert (pets.stage, pets.call) == ("not_cited", "hours")
    assert {step.stage: step.count for step in pets.funnel}["shown"] == 3
