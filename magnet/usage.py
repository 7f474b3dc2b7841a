"""What was asked, what it cost and how long it took, added up in PostgreSQL from traces and spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Aggregate, Count, F, FloatField, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncDate

from magnet.models import Span, Trace

# A question is answered by a RAG tool or in a turn of an agent; calls of tools and prompts, searches and syncs are not.
ANSWERING = ("rag_tool", "agent")
ANSWERED = Q(feature__in=ANSWERING, status=Trace.Status.OK)
# Who asks a retrieval tool asks, too, and gets passages.
QUESTIONS = Q(feature__in=(*ANSWERING, "retrieval_tool"))
# A table on a page, and a file that a spreadsheet still opens.
MAX_ROWS = 200


class Percentile(Aggregate):
    """The value below which a share of the rows lies, interpolated by PostgreSQL."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()

    def __init__(self, expression: str, *, share: float, **extra: Any) -> None:
        super().__init__(expression, share=share, **extra)


@dataclass(frozen=True)
class Period:
    """From the first moment of `first` to the last of `last`, in UTC."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(started_at__date__gte=self.first, started_at__date__lte=self.last)


@dataclass(frozen=True)
class Totals:
    """`answered` are the questions among the calls that got their answer."""

    calls: int = 0
    answered: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    p50_ms: float | None = None
    p95_ms: float | None = None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Row:
    """The totals of one tool, key, model or day; `label` is what people call it."""

    label: str
    totals: Totals
    key: Any = ""


@dataclass(frozen=True)
class Report:
    period: Period
    totals: Totals
    by_day: list[Row]
    by_tool: list[Row] = field(default_factory=list)
    by_caller: list[Row] = field(default_factory=list)
    by_model: list[Row] = field(default_factory=list)


def report(period: Period) -> Report:
    """Five statements, however much there is."""
    traces = period.rows(Trace.objects.all())
    return Report(
        period=period,
        totals=totals(traces),
        by_day=by_day(traces, period=period),
        by_tool=grouped(traces, "feature", "slug", label=tool_label),
        by_caller=grouped(traces, "caller_type", "caller_label", label=caller_label),
        by_model=grouped(model_calls(period), "provider", "model", label=model_label),
    )


def totals_since(moment: datetime) -> Totals:
    return totals(Trace.objects.filter(started_at__gte=moment))


def totals(traces: QuerySet[Any]) -> Totals:
    """Times are of answers, everything else is of all calls, as in the tables."""
    return Totals(**traces.aggregate(**_sums(), **_answers()))


def by_day(traces: QuerySet[Any], *, period: Period) -> list[Row]:
    """One row for each day of the period, quiet days included."""
    found = traces.annotate(day=TruncDate("started_at")).values("day").annotate(**_sums(), **_answers()).order_by("day")
    by_date = {row.pop("day"): Totals(**row) for row in found}
    return [Row(day.isoformat(), by_date.get(day, Totals()), key=day) for day in period.days]


def grouped(rows: QuerySet[Any], *names: str, label: Any) -> list[Row]:
    found = rows.values(*names).annotate(**_sums(), **_times()).order_by("-calls", *names)[:MAX_ROWS]
    return [_row(dict(row), names, label) for row in found]


def _row(values: dict[str, Any], names: tuple[str, ...], label: Any) -> Row:
    key = tuple(values.pop(name) for name in names)
    return Row(label(*key), Totals(**values), key=key)


def model_calls(period: Period) -> QuerySet[Any]:
    return period.rows(Span.objects.exclude(model=""))


def _sums() -> dict[str, Any]:
    return {
        "calls": Count("id"),
        "errors": Count("id", filter=Q(status=Trace.Status.ERROR)),
        "input_tokens": Coalesce(Sum(F("input_tokens")), 0),
        "output_tokens": Coalesce(Sum(F("output_tokens")), 0),
        "cost": Coalesce(Sum(F("cost")), Decimal(0)),
    }


def _answers() -> dict[str, Any]:
    return {"answered": Count("id", filter=ANSWERED), **_times(ANSWERED)}


def _times(counted: Q | None = None) -> dict[str, Any]:
    return {
        "p50_ms": Percentile("duration_ms", share=0.5, filter=counted),
        "p95_ms": Percentile("duration_ms", share=0.95, filter=counted),
    }


def tool_label(feature: str, slug: str) -> str:
    return f"{feature.replace('_', ' ')}: {slug}" if slug else feature.replace("_", " ")


def caller_label(kind: str, label: str) -> str:
    return f"{label or 'unknown'} ({kind or 'unknown'})"


def model_label(provider: str, model: str) -> str:
    return f"{provider}: {model}" if provider else model
