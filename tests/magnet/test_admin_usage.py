"""Traces and usage: numbers that add up, pages that explain, files that are harmless."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from magnet.models import Span, SpanPayload, Trace
from tests.fixtures_admin import HOSTILE

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def only_these_traces(db):
    """Traces are written by a thread, so those of an earlier test may have been committed."""
    Trace.objects.all().delete()


def trace(*, days_ago=0, ms=100.0, cost="0.01", status="ok", **fields):
    values = {"feature": "rag_tool", "slug": "handbook", "caller_type": "key", "caller_label": "Website", **fields}
    return Trace.objects.create(
        started_at=timezone.now() - timedelta(days=days_ago), duration_ms=ms, cost=Decimal(cost), status=status,
        input_tokens=10, output_tokens=5, **values,
    )  # fmt: skip


def span(of, name="step", *, parent=None, after_ms=0.0, ms=10.0, **fields):
    return Span.objects.create(
        trace=of, name=name, parent_id=parent.id if parent else None, duration_ms=ms,
        started_at=of.started_at + timedelta(milliseconds=after_ms), **fields,
    )  # fmt: skip


def test_the_numbers_of_a_period_add_up(owner):
    for ms in (100, 200, 300):
        span(trace(ms=ms), model="gpt", provider="cloud", input_tokens=10, output_tokens=5, cost=Decimal("0.01"))
    trace(days_ago=2, ms=900, status="error")
    trace(feature="sync", slug="handbook", ms=60_000, cost="0.5")
    trace(days_ago=20)

    report = owner.get(reverse("admin:usage")).context["report"]

    assert (report.totals.calls, report.totals.answered, report.totals.errors) == (5, 3, 1)
    assert report.totals.tokens == 75
    assert report.totals.cost == Decimal("0.54")
    assert (report.totals.p50_ms, round(report.totals.p95_ms)) == (200, 290)
    assert [row.totals.answered for row in report.by_day] == [0, 0, 0, 0, 0, 0, 3]
    assert [row.totals.errors for row in report.by_day] == [0, 0, 0, 0, 1, 0, 0]
    assert [(row.label, row.totals.calls) for row in report.by_tool] == [
        ("RAG tool: handbook", 4),
        ("Sync: handbook", 1),
    ]
    assert [(row.label, row.totals.tokens) for row in report.by_model] == [("cloud: gpt", 45)]


def test_only_done_answers_of_rag_tools_and_agents_are_questions_answered(owner):
    for feature in ("rag_tool", "agent", "retrieval_tool", "api_tool", "mcp_tool", "prompt_template", "search"):
        trace(feature=feature)
    trace(feature="agent", status="cancelled")
    for feature in ("rag_tool", "search", "api_tool"):
        trace(feature=feature, status="error")

    response, home = owner.get(reverse("admin:usage")), owner.get(reverse("admin:index"))

    report = response.context["report"]
    for totals in (report.totals, home.context["week"]):
        assert (totals.answered, totals.calls, totals.errors) == (2, 11, 3)
    for table in (report.by_tool, report.by_caller, report.by_day):
        assert sum(row.totals.errors for row in table) == 3
        assert sum(row.totals.calls for row in table) == 11
    assert "<b>2</b><span>questions answered</span>" in response.content.decode()
    assert "<b>3</b><span>errors in all calls</span>" in response.content.decode()
    assert "<b>2</b><span>questions answered in 7 days</span>" in home.content.decode()


@pytest.mark.parametrize(
    "feature",
    [
        "api_tool",
        "mcp_tool",
        "prompt_template",
        "explain",
        "sync",
        "reindex",
        "comparison",
        "preview",
        "search",
        "other",
    ],
)
def test_work_that_nobody_asked_for_with_a_question_is_no_question(owner, feature):
    trace(summary="How do I reset it?")
    trace(feature=feature, summary="Work on Zephyr support", cost="0.5")

    home = owner.get(reverse("admin:index"))

    (panel,) = [panel for panel in home.context["panels"] if panel.title == "Last questions"]
    assert [asked.summary for asked in panel.context["traces"]] == ["How do I reset it?"]
    assert (home.context["week"].answered, home.context["week"].cost) == (1, Decimal("0.51"))


def test_a_period_is_chosen_and_nonsense_falls_back_to_a_week(owner):
    trace(days_ago=20)

    def calls(query):
        return owner.get(reverse("admin:usage") + query).context["report"].totals.calls

    assert calls("?days=30") == 1
    day = (timezone.now() - timedelta(days=20)).date().isoformat()
    assert calls(f"?from={day}&to={day}") == 1
    for nonsense in ("?days=9999", "?from=x&to=y", "?from=2026-13-99&to=2026-01-01", "?from=1900-01-01&to=2900-01-01"):
        assert calls(nonsense) == 0


def test_the_csv_holds_the_same_and_runs_nothing_in_a_spreadsheet(owner):
    trace(caller_label='=HYPERLINK("http://evil.example","x")', caller_type="key")
    trace(feature="+cmd", slug="")

    response = owner.get(reverse("admin:usage") + "?days=7&format=csv")

    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert response.headers["Content-Disposition"].endswith('.csv"')
    names = [row["name"] for row in rows]
    assert any(name.startswith("'=HYPERLINK") for name in names)
    assert "'+cmd" in names
    assert not [name for name in names if name[:1] in "=+-@"]
    assert sum(int(row["calls"]) for row in rows if row["group"] == "day") == 2


def test_a_trace_shows_its_steps_under_each_other_with_what_went_in_and_out(owner):
    asked = trace(summary="What is a chunk?", ms=100)
    answer = span(asked, "answer", ms=100)
    found = span(asked, "retrieve", parent=answer, kind="retrieval", after_ms=5, ms=20)
    said = span(
        asked, "chat gpt", parent=answer, kind="chat", model="gpt", after_ms=30, ms=70, status="error", error="No"
    )
    for row, given, got in (
        (found, {"query": "What"}, {"columns": ["chunk_id", "score"], "candidates": [[7, 0.9], [8, None]]}),
        (said, {"messages": [{"role": "system", "text": "Be kind."}]}, {"text": "A piece [1]."}),
    ):
        SpanPayload.objects.create(span=row, created_at=row.started_at, input=given, output=got)

    response = owner.get(reverse("admin:magnet_trace_change", args=[asked.pk]))

    steps = response.context["steps"]
    assert [(step.span.name, step.depth) for step in steps] == [("answer", 0), ("retrieve", 1), ("chat gpt", 1)]
    assert [(step.left, step.width) for step in steps] == [(0, 100), (5, 20), (30, 70)]
    page = response.content.decode()
    gone = "a document that was changed or deleted since"
    for words in ("Instructions", "Be kind.", "A piece [1].", "0.900", "Document · chunk", gone):
        assert words in page


def test_what_strangers_said_is_shown_as_text(owner):
    asked = trace(summary=HOSTILE, caller_label=HOSTILE, error=HOSTILE, status="error", person=HOSTILE)
    step = span(asked, HOSTILE, error=HOSTILE, attributes={HOSTILE: HOSTILE})
    passage = {"document": {"id": None, "title": HOSTILE}, "text": HOSTILE, "heading": HOSTILE, "score": 0.5}
    SpanPayload.objects.create(
        span=step,
        created_at=step.started_at,
        input={"messages": [{"role": HOSTILE, "text": HOSTILE}], HOSTILE: HOSTILE},
        output={"passages": [passage], "text": HOSTILE, "columns": [HOSTILE], "candidates": [[HOSTILE]]},
    )

    page = owner.get(reverse("admin:magnet_trace_change", args=[asked.pk])).content.decode()

    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") >= 10


def test_a_trace_without_texts_says_that_it_cannot_be_explained(owner):
    asked = trace(summary="", recording="none")
    span(asked)

    page = owner.get(reverse("admin:magnet_trace_change", args=[asked.pk])).content.decode()

    assert "cannot be explained in full" in page
