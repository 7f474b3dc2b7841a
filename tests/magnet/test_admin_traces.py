"""The page of a trace tells a person, in their words, what was answered and why."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from knowledge.models import Chunk
from magnet.models import Analysis, Span, SpanPayload, Trace
from tests import factories
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def only_these_traces(db):
    Trace.objects.all().delete()


def traced(source, chunk, *, slug="help-desk"):
    """An answer as a RAG tool records it: searched, chosen, written, checked."""
    trace = Trace.objects.create(
        feature="rag_tool", slug=slug, summary="Who makes honey?", started_at=timezone.now(), duration_ms=90,
        input_tokens=526 + 15, output_tokens=15, versions={"indexes": {source.slug: {"id": 1, "generation": 1}}},
    )  # fmt: skip
    passage = {
        "number": 1, "chunk_id": chunk.pk, "text": chunk.text, "heading": "Bees", "score": 0.9,
        "start": chunk.start, "end": chunk.end, "document": {"id": str(chunk.document_id), "title": "All about bees"},
    }  # fmt: skip
    columns = ["chunk_id", "source", "score"]
    steps: list = [
        ("retrieve", "retrieval", {}, {"query": "Who makes honey?"},
         {"columns": columns, "candidates": [[chunk.pk, source.slug, 0.9]]}),
        ("embedding wordllama-256", "embedding", {"model": "wordllama-256", "input_tokens": 15}, None, None),
        ("choose passages", "step", {}, None, {"passages": [passage, {**passage, "number": 2}]}),
        ("chat extractive", "chat", {"model": "extractive", "input_tokens": 526, "output_tokens": 15}, None,
         {"text": "Bees [1] [7]."}),
        ("check citations", "step", {"attributes": {"cited": [1]}}, None, {"text": "Bees do <b> [1]."}),
    ]  # fmt: skip
    for number, (name, kind, fields, given, got) in enumerate(steps):
        at = trace.started_at + timedelta(milliseconds=number)
        span = Span.objects.create(trace=trace, name=name, kind=kind, started_at=at, duration_ms=1, **fields)
        if given or got:
            SpanPayload.objects.create(span=span, created_at=at, input=given, output=got)
    return trace


@pytest.fixture
def bees(transactional_db):
    source = factories.source("animals", name="Animals we keep")
    factories.push(source, **{"bees.md": "# All about bees\n\nBees make honey."})
    return source, Chunk.objects.get(document__source=source)


def page_of(client, trace):
    return client.get(reverse("admin:magnet_trace_change", args=[trace.pk]))


@pytest.mark.django_db(transaction=True)
def test_question_answer_and_passages_stand_on_top_with_citations_that_lead_to_them(owner, bees):
    response = page_of(owner, traced(*bees))

    page = response.content.decode()
    assert page.index("Who makes honey?") < page.index("Bees do &lt;b&gt;") < page.index("Step by step")
    assert 'href="#passage-1"' in page
    assert 'id="passage-1"' in page
    assert [passage["is_cited"] for passage in response.context["story"].passages] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_candidates_are_named_by_their_documents_and_everything_by_its_name(owner, bees):
    source, chunk = bees
    RagTool.objects.create(name="Help desk", slug="help-desk")

    page = page_of(owner, traced(source, chunk)).content.decode()

    assert f"{chunk.document.title} · 1" in page
    assert f"?chunk={chunk.pk}#passage" in page
    assert "Animals we keep, generation 1" in page
    assert "Write the answer · Quotations (no language model)" in page
    for code in ("help-desk<", "rag_tool", "chat extractive", "wordllama-256<"):
        assert code not in page


@pytest.mark.parametrize(
    ("candidates", "asked", "said"),
    [
        ([[1, "a", 0.04], [2, "a", 0.01]], 0.1,
         "2 passages were weighed; the best scored 0.04, and the tool asks for at least 0.10."),
        ([[1, "a", 0.0996]], 0.1, "1 passage was weighed; it scored 0.0996, and the tool asks for at least 0.1000."),
        ([], 0.1, "No passage of the sources shares words or meaning with the question."),
        # Then it was not the score.
        ([[1, "a", 0.5]], 0.1, ""),
    ],
)  # fmt: skip
def test_where_nothing_was_found_the_page_says_why_on_top(owner, candidates, asked, said):
    trace = Trace.objects.create(feature="rag_tool", slug="desk", summary="Why?", started_at=timezone.now())
    span = Span.objects.create(trace=trace, name="retrieve", kind="retrieval", started_at=trace.started_at)
    SpanPayload.objects.create(
        span=span, created_at=trace.started_at, input={"query": "Why?", "minimum_score": asked},
        output={"columns": ["chunk_id", "source", "score"], "candidates": candidates},
    )  # fmt: skip

    response = page_of(owner, trace)

    page = response.content.decode()
    assert response.context["story"].why_nothing == said
    assert ("Nothing was found." in page) == bool(said)
    assert said in page[: page.index("Step by step")]


@pytest.mark.django_db(transaction=True)
def test_tokens_of_the_model_are_those_that_the_answer_itself_counts(owner, bees):
    trace = traced(*bees)

    page, listed = page_of(owner, trace), owner.get(reverse("admin:magnet_trace_changelist"))

    assert (page.context["tokens"].of_model, page.context["tokens"].search) == (541, 15)
    assert "541" in listed.content.decode()
    assert "556" not in listed.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_list_of_traces_names_its_tools_in_as_few_statements_for_many_as_for_one(
    owner, bees, django_assert_max_num_queries
):
    RagTool.objects.create(name="Help desk", slug="help-desk")
    for number in range(12):
        traced(*bees, slug="help-desk" if number % 2 else f"gone-{number}")

    with django_assert_max_num_queries(20):
        page = owner.get(reverse("admin:magnet_trace_changelist")).content.decode()

    assert "Help desk" in page
    assert "gone-4" in page


@pytest.mark.parametrize(
    ("page", "section", "title"),
    [
        ("magnet_auditentry", "People and access", "Who did what"),
        ("magnet_trace", "Insight", "Traces"),
        ("knowledge_knowledgesource", "Knowledge", "Sources"),
        ("magnet_aimodel", "Models", "Models"),
    ],
)
def test_the_path_above_a_page_says_what_the_menu_says(owner, page, section, title):
    html = owner.get(reverse(f"admin:{page}_changelist")).content.decode()

    head = html[html.index("chevron_right") - 700 : html.index("chevron_right") + 700]
    assert section in head
    assert title in head
    assert "Platform" not in html


def judged(trace, *reasons: str, supported: bool = False) -> Analysis:
    """As a model judges the one sentence of `traced` in the background."""
    rows = [{"start": 0, "end": 15, "citations": [1], "supported": supported, "score": 0.0, "reason": reason}
            for reason in reasons]  # fmt: skip
    return Analysis.objects.create(trace=trace, state="done", sentences=rows, language="de", ai_model="gpt-fake")


@pytest.mark.django_db(transaction=True)
def test_what_a_model_found_unsupported_afterwards_is_underlined_and_says_by_whom(owner, bees):
    trace = traced(*bees)
    at_once = page_of(owner, trace).content.decode()
    judged(trace, "No word of <b>.")

    afterwards = page_of(owner, trace).content.decode()

    assert "mg-unsupported" not in at_once
    assert "mg-unsupported" in afterwards
    assert "No word of &lt;b&gt;. Checked by a model afterwards." in afterwards
    assert "Checked by a model afterwards. 1 sentence is not supported by what it cites." in afterwards


@pytest.mark.django_db(transaction=True)
def test_the_immediate_check_says_who_it_was_and_the_later_one_has_the_last_word(owner, bees):
    trace = traced(*bees)
    at = trace.started_at + timedelta(milliseconds=9)
    span = Span.objects.create(trace=trace, name="support", started_at=at, duration_ms=1)
    row = {"start": 0, "end": 15, "citations": [1], "supported": False, "score": 0.1, "reason": "By words."}
    SpanPayload.objects.create(span=span, created_at=at, output={"sentences": [row]})

    first = page_of(owner, trace).context["story"]
    Span.objects.create(trace=trace, name="support by a model", started_at=at, duration_ms=1)
    second = page_of(owner, trace).context["story"]
    judged(trace, "", supported=True)
    last = page_of(owner, trace).context["story"]

    assert "mg-unsupported" in first.answer
    assert first.checked.startswith("Checked by words and meaning, at once. 1 sentence")
    assert second.checked.startswith("Checked by a model before the answer was complete.")
    assert "mg-unsupported" not in last.answer
    assert last.checked == "Checked by a model afterwards. No sentence stands out."


@pytest.mark.django_db(transaction=True)
def test_the_list_of_traces_is_narrowed_to_a_language(owner, bees):
    judged(traced(*bees, slug="german"), "")
    traced(*bees, slug="unknown")

    url = reverse("admin:magnet_trace_changelist")
    everything = owner.get(url).content.decode()
    german = owner.get(url, {"language": "de"})

    assert "German" in everything
    assert [trace.slug for trace in german.context["cl"].result_list] == ["german"]
