"""Traces in the admin: what happened for one question, step by step, with tokens, cost and time. Read only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from magnet.admin.base import ObjectPage, ReadOnlyAdmin
from magnet.admin.menu import INSIGHT, MenuEntry
from magnet.admin.payloads import Panel, panels_of, plain
from magnet.models import Span, Trace
from magnet.templatetags.magnet_admin import ago_titled, badge_html, milliseconds, money, thousands

# Longer traces exist; whoever looks at them looks at their beginning.
MAX_SPANS = 300
MAX_DEPTH = 4
EMPTY: tuple[Any, ...] = (None, "", [], {})


class ToolFilter(admin.SimpleListFilter):
    title = gettext_lazy("tool")
    parameter_name = "slug"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        slugs = Trace.objects.exclude(slug="").order_by("slug").values_list("slug", flat=True).distinct()
        return [(slug, slug) for slug in slugs[:50]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(slug=self.value()) if self.value() else queryset


@admin.register(Trace)
class TraceAdmin(ReadOnlyAdmin):
    menu = [
        MenuEntry(INSIGHT, 1, gettext_lazy("Traces"), "timeline", "admin:magnet_trace_changelist"),
        MenuEntry(INSIGHT, 2, gettext_lazy("Usage"), "bar_chart", "admin:usage"),
    ]
    empty_icon = "timeline"
    empty_text = gettext_lazy("Each question leaves a trace here: which passages, which model, how long, how much.")
    list_display = ("question", "tool", "caller", "state", "took", "tokens", "costs", "moment")
    list_filter = ("feature", ToolFilter, "status", ("started_at", admin.DateFieldListFilter))
    search_fields = ("summary", "slug", "caller_label", "request_id", "error")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("versions", "documents")

    @display(description=gettext_lazy("question"), ordering="summary")
    def question(self, trace: Trace) -> str:
        return trace.summary[:120] or _("(not recorded)")

    @display(description=gettext_lazy("tool"), ordering="slug")
    def tool(self, trace: Trace) -> str:
        return f"{trace.feature.replace('_', ' ')} {trace.slug}".strip()

    @display(description=gettext_lazy("caller"), ordering="caller_label")
    def caller(self, trace: Trace) -> str:
        return trace.caller_label or "–"

    @display(description=gettext_lazy("status"), ordering="status")
    def state(self, trace: Trace) -> SafeString:
        return badge_html(trace.status, str(trace.get_status_display()))

    @display(description=gettext_lazy("took"), ordering="duration_ms")
    def took(self, trace: Trace) -> str:
        return milliseconds(trace.duration_ms)

    @display(description=gettext_lazy("tokens"))
    def tokens(self, trace: Trace) -> str:
        return thousands(trace.input_tokens + trace.output_tokens)

    @display(description=gettext_lazy("cost"), ordering="cost")
    def costs(self, trace: Trace) -> str:
        return money(trace.cost)

    @display(description=gettext_lazy("when"), ordering="started_at")
    def moment(self, trace: Trace) -> SafeString:
        return ago_titled(trace.started_at)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        return self._object_view(ObjectPage("read", self.read))(request, object_id)

    def read(self, request: HttpRequest, trace: Any) -> HttpResponseBase:
        spans = list(trace.spans.select_related("payload").order_by("started_at", "id")[:MAX_SPANS])
        steps = waterfall(trace, spans)
        return self.page(
            request, trace, "magnet/trace.html", trace=trace, steps=steps,
            versions=[(key.replace("_", " "), plain(value)) for key, value in trace.versions.items()],
            is_recorded=any(step.panels for step in steps),
        )  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A span as a bar: `left` and `width` are percentages of the trace's time."""

    span: Span
    depth: int
    left: float
    width: float
    panels: tuple[Panel, ...]
    facts: tuple[tuple[str, str], ...]


def waterfall(trace: Trace, spans: list[Span]) -> list[Step]:
    """Parents before their children, each in the order of time."""
    total = max(trace.duration_ms, max((end_of(span, trace) for span in spans), default=0.0), 0.001)
    return [step_of(span, trace, depth=depth, total=total) for span, depth in in_order(spans)]


def in_order(spans: list[Span]) -> Iterable[tuple[Span, int]]:
    known = {span.id for span in spans}
    children: dict[UUID | None, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
    waiting = [(span, 0) for span in reversed(children.get(None, []))]
    while waiting:
        span, depth = waiting.pop()
        yield span, min(depth, MAX_DEPTH)
        waiting.extend((child, depth + 1) for child in reversed(children.get(span.id, [])))


def step_of(span: Span, trace: Trace, *, depth: int, total: float) -> Step:
    payload = getattr(span, "payload", None)
    panels: tuple[Panel, ...] = ()
    if payload is not None:
        panels = (*panels_of(payload.input, title=_("In")), *panels_of(payload.output, title=_("Out")))
    start = max(end_of(span, trace) - span.duration_ms, 0)
    left = min(100 * start / total, 99.5)
    width = min(max(100 * span.duration_ms / total, 0.5), 100 - left)
    facts = tuple((key.replace("_", " "), plain(value)) for key, value in span.attributes.items() if value not in EMPTY)
    return Step(span, depth, round(left, 2), round(width, 2), panels, facts)


def end_of(span: Span, trace: Trace) -> float:
    """Milliseconds from the beginning of the trace."""
    return (span.started_at - trace.started_at).total_seconds() * 1_000 + span.duration_ms
