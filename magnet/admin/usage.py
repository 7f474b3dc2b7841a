"""The usage page: calls, tokens, cost, latency and errors by day, tool, key and model, and the same as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from magnet import usage
from magnet.admin.charts import Chart, bars, lines
from magnet.admin.naming import feature_in_words, names, tools_of
from magnet.models import Trace
from magnet.templatetags.magnet_admin import milliseconds, money, thousands
from magnet.usage import Period, Report, Row

CHOICES = (7, 30, 90)
MAX_DAYS = 366
# A spreadsheet runs a cell that begins with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = ("group", "name", "calls", "errors", "input_tokens", "output_tokens", "cost_usd", "p50_ms", "p95_ms")


def usage_page(request: HttpRequest) -> HttpResponseBase:
    if not request.user.has_perm("magnet.view_trace"):
        raise PermissionDenied
    period, chosen = period_in(request)
    report = with_names(usage.report(period))
    if request.GET.get("format") == "csv":
        return as_csv(report)
    request.current_app = admin.site.name  # type: ignore[attr-defined]  # as Django's own admin views do
    context = {
        **admin.site.each_context(request),
        "title": _("Usage"),
        "report": report,
        "period": period,
        "chosen": chosen,
        "choices": CHOICES,
        "charts": charts_of(report),
        "tables": [
            (_("By tool"), report.by_tool),
            (_("By caller"), report.by_caller),
            (_("By model"), report.by_model),
        ],
    }
    return TemplateResponse(request, "magnet/usage.html", context)


def with_names(report: Report) -> Report:
    """Tools and models under the names that people gave them, where they still have them."""
    traces = [Trace(feature=row.key[0], slug=row.key[1]) for row in report.by_tool]
    tools = tools_of(traces)
    models = names("model", {row.key[1] for row in report.by_model})
    by_tool = [
        replace(row, label=": ".join(filter(None, (feature_in_words(row.key[0]), tools[row.key].label))))
        for row in report.by_tool
    ]
    by_model = [
        replace(row, label=models[row.key[1]].label) if row.key[1] in models else row for row in report.by_model
    ]
    return replace(report, by_tool=by_tool, by_model=by_model)


def period_in(request: HttpRequest) -> tuple[Period, int | None]:
    """`?days=30`, or `?from=2026-01-01&to=2026-01-31`; what makes no sense falls back to a week."""
    today = timezone.now().date()
    first, last = day_in(request, "from"), day_in(request, "to")
    if first and last and first <= last and (last - first).days < MAX_DAYS:
        return Period(first, last), None
    wanted = request.GET.get("days", "")
    days = int(wanted) if wanted in map(str, CHOICES) else CHOICES[0]
    return Period(today - timedelta(days=days - 1), today), days


def day_in(request: HttpRequest, name: str) -> date | None:
    try:
        return parse_date(request.GET.get(name, ""))
    except ValueError:
        return None


def charts_of(report: Report) -> list[Chart]:
    days = [f"{row.key:%-d %b}" for row in report.by_day]
    totals = [row.totals for row in report.by_day]
    slowest = max((total.p95_ms or 0 for total in totals), default=0)
    return [
        bars(
            _("Questions answered"),
            [t.answered for t in totals],
            names=days,
            shown=[thousands(t.answered) for t in totals],
        ),
        bars(_("Cost"), [float(t.cost) for t in totals], names=days, shown=[money(t.cost) for t in totals]),
        lines(
            _("Time to answer"),
            {_("half are faster (p50)"): [t.p50_ms for t in totals], _("19 of 20 (p95)"): [t.p95_ms for t in totals]},
            names=days,
            top_label=milliseconds(slowest),
        ),
        bars(
            _("Errors of all calls"),
            [t.errors for t in totals],
            names=days,
            shown=[thousands(t.errors) for t in totals],
        ),
        bars(
            _("Tokens, those of searches included"),
            [t.tokens for t in totals],
            names=days,
            shown=[thousands(t.tokens) for t in totals],
        ),
    ]


def as_csv(report: Report) -> StreamingHttpResponse:
    writer = csv.writer(Echo())
    name = f"usage-{report.period.first}-{report.period.last}.csv"
    response = StreamingHttpResponse(map(writer.writerow, csv_rows(report)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def csv_rows(report: Report) -> Iterator[list[Any]]:
    yield list(COLUMNS)
    groups = {"day": report.by_day, "tool": report.by_tool, "caller": report.by_caller, "model": report.by_model}
    for group, rows in groups.items():
        yield from (csv_row(group, row) for row in rows)


def csv_row(group: str, row: Row) -> list[Any]:
    t = row.totals
    times = [round(value, 1) if value is not None else "" for value in (t.p50_ms, t.p95_ms)]
    return [
        group,
        harmless(row.label),
        t.calls,
        t.errors,
        t.input_tokens,
        t.output_tokens,
        format(Decimal(t.cost).normalize(), "f"),
        *times,
    ]


def harmless(cell: str) -> str:
    """A leading apostrophe makes a spreadsheet take the cell as text."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


class Echo:
    """A file that hands back what is written, so that rows are sent as they are made."""

    def write(self, value: str) -> str:
        return value
