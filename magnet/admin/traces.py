"""Traces in the admin: what happened for one question, step by step, with tokens, cost and time. Read only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseBase
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language_info, gettext_lazy
from django.utils.translation import gettext as _
from unfold.decorators import display

from magnet import trace_texts
from magnet.admin.base import ObjectPage, ReadOnlyAdmin
from magnet.admin.menu import INSIGHT, MenuEntry
from magnet.admin.naming import Name, feature_in_words, parts_in_words, tools_of
from magnet.admin.payloads import Known, Panel, panels_of, plain
from magnet.admin.trace_boxes import boxes_of
from magnet.admin.trace_story import known_to, step_name, story_of, tokens_of
from magnet.models import Analysis, Feedback, Span, Trace
from magnet.templatetags.magnet_admin import ago_titled, badge_html, milliseconds, money, thousands

# Longer traces exist; whoever looks at them looks at their beginning.
MAX_SPANS = 300
MAX_DEPTH = 4
EMPTY: tuple[Any, ...] = (None, "", [], {})
# Numbers of rows say nothing to a person; the passages above name them.
NOT_FACTS = ("documents",)


class ToolFilter(admin.SimpleListFilter):
    title = gettext_lazy("tool")
    parameter_name = "slug"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        used = Trace.objects.exclude(slug="").order_by("slug", "feature").values_list("slug", "feature").distinct()
        traces = [Trace(slug=slug, feature=feature) for slug, feature in used[:50]]
        called = tools_of(traces)
        return sorted({trace.slug: called[trace.feature, trace.slug].label for trace in traces}.items(), key=by_label)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(slug=self.value()) if self.value() else queryset


class FeatureFilter(admin.SimpleListFilter):
    title = gettext_lazy("kind of work")
    parameter_name = "feature"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        features = Trace.objects.order_by("feature").values_list("feature", flat=True).distinct()
        return [(feature, feature_in_words(feature)) for feature in features]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(feature=self.value()) if self.value() else queryset


class CategoryFilter(admin.SimpleListFilter):
    title = gettext_lazy("category")
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = Analysis.objects.exclude(category="").order_by("category").values_list("category", flat=True)
        return [(category, category) for category in found.distinct()[:50]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(analysis__category=self.value()) if self.value() else queryset


class LanguageFilter(admin.SimpleListFilter):
    title = gettext_lazy("language")
    parameter_name = "language"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = Analysis.objects.exclude(language="").order_by("language").values_list("language", flat=True)
        return [(code, language_in_words(code)) for code in found.distinct()[:50]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(analysis__language=self.value()) if self.value() else queryset


def language_in_words(code: str) -> str:
    """“German” instead of “de”; a code that nobody knows stays as it is."""
    try:
        return _(get_language_info(code)["name"])
    except KeyError:
        return code


def by_label(choice: tuple[str, str]) -> str:
    return choice[1].lower()


@admin.register(Trace)
class TraceAdmin(ReadOnlyAdmin):
    menu = [
        MenuEntry(INSIGHT, 1, gettext_lazy("Traces"), "timeline", "admin:magnet_trace_changelist"),
        MenuEntry(INSIGHT, 2, gettext_lazy("Usage"), "bar_chart", "admin:usage"),
    ]
    empty_icon = "timeline"
    empty_text = gettext_lazy("Each question leaves a trace here: which passages, which model, how long, how much.")
    list_display = ("question", "tool", "caller", "state", "took", "tokens", "costs", "moment")
    list_filter = (
        FeatureFilter, ToolFilter, "status", CategoryFilter, LanguageFilter, "analysis__resolution",
        "analysis__is_answered", "feedback__rating", ("started_at", admin.DateFieldListFilter),
    )  # fmt: skip
    search_fields = ("summary", "slug", "caller_label", "request_id", "error")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        said = Span.objects.filter(trace=OuterRef("pk"), kind=Span.Kind.CHAT).order_by().values("trace")
        of_models = said.annotate(n=Sum("input_tokens") + Sum("output_tokens")).values("n")
        rows = super().get_queryset(request).defer("versions", "documents")
        return rows.annotate(model_tokens=Coalesce(Subquery(of_models), 0))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With the names of all tools of the page, in one statement for each kind of them."""
        changelist = super().get_changelist_instance(request)
        traces = list(changelist.result_list)
        called = tools_of(traces)
        for trace in traces:
            trace.tool_name = called[trace.feature, trace.slug]
        changelist.result_list = traces
        return changelist

    @display(description=gettext_lazy("question"), ordering="summary")
    def question(self, trace: Trace) -> str:
        return trace.summary[:120] or _("(not recorded)")

    @display(description=gettext_lazy("tool"), ordering="slug")
    def tool(self, trace: Any) -> SafeString:
        name: Name = trace.tool_name
        return format_html(
            '{}<div class="mg-small mg-faint">{}</div>', name.label or "–", feature_in_words(trace.feature)
        )

    @display(description=gettext_lazy("caller"), ordering="caller_label")
    def caller(self, trace: Trace) -> str:
        return trace.caller_label or "–"

    @display(description=gettext_lazy("status"), ordering="status")
    def state(self, trace: Trace) -> SafeString:
        return badge_html(trace.status, str(trace.get_status_display()))

    @display(description=gettext_lazy("took"), ordering="duration_ms")
    def took(self, trace: Trace) -> str:
        return milliseconds(trace.duration_ms)

    @display(description=gettext_lazy("tokens of the model"))
    def tokens(self, trace: Any) -> str:
        return thousands(trace.model_tokens) if trace.model_tokens else "–"

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
        is_hidden = trace_texts.hide(trace, spans)
        steps = waterfall(trace, spans, known=known_to(spans))
        analysis = Analysis.objects.filter(trace=trace).first()
        return self.page(
            request, trace, "magnet/trace.html", trace=trace, steps=steps,
            story=story_of(trace, spans, later=analysis, is_hidden=is_hidden),
            tokens=tokens_of(spans), tool=tools_of([trace])[trace.feature, trace.slug],
            feature=feature_in_words(trace.feature), parts=parts_in_words(trace.versions),
            feedback=Feedback.objects.filter(trace=trace), analysis=analysis,
            is_recorded=any(step.panels for step in steps), is_hidden=is_hidden, boxes=boxes_of(request, trace),
        )  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A span as a bar: `left` and `width` are percentages of the trace's time."""

    span: Span
    name: str
    depth: int
    left: float
    width: float
    panels: tuple[Panel, ...]
    facts: tuple[tuple[str, str], ...]


def waterfall(trace: Trace, spans: list[Span], *, known: Known) -> list[Step]:
    """Parents before their children, each in the order of time."""
    total = max(trace.duration_ms, max((end_of(span, trace) for span in spans), default=0.0), 0.001)
    return [step_of(span, trace, depth=depth, total=total, known=known) for span, depth in in_order(spans)]


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


def step_of(span: Span, trace: Trace, *, depth: int, total: float, known: Known) -> Step:
    payload = getattr(span, "payload", None)
    panels: tuple[Panel, ...] = ()
    if payload is not None:
        panels = (
            *panels_of(payload.input, title=_("In"), known=known),
            *panels_of(payload.output, title=_("Out"), known=known),
        )
    start = max(end_of(span, trace) - span.duration_ms, 0)
    left = min(100 * start / total, 99.5)
    width = min(max(100 * span.duration_ms / total, 0.5), 100 - left)
    said = ((key, value) for key, value in span.attributes.items() if key not in NOT_FACTS and value not in EMPTY)
    facts = tuple((key.replace("_", " "), plain(value)) for key, value in said)
    return Step(span, step_name(span, known), depth, round(left, 2), round(width, 2), panels, facts)


def end_of(span: Span, trace: Trace) -> float:
    """Milliseconds from the beginning of the trace."""
    return (span.started_at - trace.started_at).total_seconds() * 1_000 + span.duration_ms
