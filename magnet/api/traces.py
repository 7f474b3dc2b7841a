"""Traces over the API: what happened for one request, step by step. Read only."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from magnet import feedback, trace_texts
from magnet.api.listing import Listing, Page, page
from magnet.api.schemas import AnalysisOut, FeedbackOut, NewFeedback, SpanOut, TraceDetail, TraceOut
from magnet.callers import Caller
from magnet.database import in_database
from magnet.errors import NotFound
from magnet.models import Analysis, Feedback, Span, Trace
from magnet.web.auth import Needs, caller_of

router = Router(tags=["Traces"])
READ = Needs("traces:read")
TRACE_COLUMNS = tuple(name for name in TraceOut.model_fields if name != "caller")
FEEDBACK_COLUMNS = tuple(name for name in FeedbackOut.model_fields if name != "by")
SPAN_COLUMNS = tuple(name for name in SpanOut.model_fields if name not in ("input", "output"))
# Longer traces exist; whoever reads them looks at their beginning.
MOST_SPANS = 1_000


class AnyCaller(Needs):
    """Whoever is signed in, with whatever scope: what they may rate depends on who asked."""

    def __init__(self) -> None:
        super().__init__("")

    async def __call__(self, request: HttpRequest) -> Caller:
        return await caller_of(request)


class TraceListing(Listing):
    feature: str = Field("", max_length=50)
    slug: str = Field("", max_length=100)
    status: str = Field("", max_length=20)
    # What the analysis of its answer says.
    category: str = Field("", max_length=100)
    language: str = Field("", max_length=20)
    since: datetime | None = None


@router.get("", response=Page[TraceOut], auth=READ)
async def list_traces(request: HttpRequest, listing: Query[TraceListing]) -> Any:
    """List the traces, newest first."""
    search_in, order_by = ("summary", "request_id"), ("started_at", "duration_ms", "cost")
    find_page = partial(page, _wanted(listing), listing, show=show, search_in=search_in, order_by=order_by)
    return await in_database(find_page)


@router.get("/{trace_id}", response=TraceDetail, auth=READ)
async def get_trace(request: HttpRequest, trace_id: UUID) -> Any:
    """Show a trace with its steps, and with what went in and out as long as that is kept; without those texts where
    they quote documents of groups that you may not find."""
    return await in_database(_detail, trace_id)


@router.post("/{trace_id}/feedback", response=FeedbackOut, auth=AnyCaller())
async def rate_answer(request: HttpRequest, trace_id: UUID, body: NewFeedback) -> Any:
    """Say what you think of an answer that you got: like or dislike, a reason, a comment, whether it was copied. You
    may change it. Who may read traces may rate any answer."""
    return show_feedback(await feedback.give(trace_id, body.given()))


def _wanted(listing: TraceListing) -> QuerySet[Trace]:
    wanted = {name: getattr(listing, name) for name in ("feature", "slug", "status")}
    # PostgreSQL has no text with NUL, so neither has any trace.
    rows = Trace.objects.filter(**{name: value.replace("\0", "�") for name, value in wanted.items() if value})
    found = {f"analysis__{name}": getattr(listing, name).replace("\0", "�") for name in ("category", "language")}
    rows = rows.filter(**{name: value for name, value in found.items() if value})
    return rows.filter(started_at__gte=listing.since) if listing.since else rows


def show(trace: Trace) -> TraceOut:
    return TraceOut(**_fields(trace))


def _fields(trace: Trace) -> dict[str, Any]:
    return {**{name: getattr(trace, name) for name in TRACE_COLUMNS}, "caller": trace.caller_label}


def _detail(trace_id: UUID) -> TraceDetail:
    trace = Trace.objects.filter(pk=trace_id).first()
    if trace is None:
        raise NotFound(f"There is no trace {trace_id}. It appears a second after its answer, and is kept for a time.")
    spans = list(trace.spans.select_related("payload").order_by("started_at")[:MOST_SPANS])
    is_hidden = trace_texts.hide(trace, spans)
    return TraceDetail(
        **_fields(trace),
        spans=[_span(span) for span in spans],
        feedback=[show_feedback(row) for row in Feedback.objects.filter(trace=trace)],
        analysis=_analysis(trace, is_hidden=is_hidden),
    )


def _analysis(trace: Trace, *, is_hidden: bool) -> AnalysisOut | None:
    analysis = Analysis.objects.filter(trace=trace).first()
    if analysis is None:
        return None
    if is_hidden:
        # What was said of the sentences quotes the documents.
        analysis.sentences = None
    return AnalysisOut.model_validate(analysis, from_attributes=True)


def show_feedback(row: Feedback) -> FeedbackOut:
    return FeedbackOut(**{name: getattr(row, name) for name in FEEDBACK_COLUMNS}, by=row.caller_label)


def _span(span: Span) -> SpanOut:
    payload = getattr(span, "payload", None)
    fields = {name: getattr(span, name) for name in SPAN_COLUMNS}
    return SpanOut(**fields, input=payload.input if payload else None, output=payload.output if payload else None)
