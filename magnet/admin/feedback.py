"""Feedback in the admin: what callers think of answers, filtered by rating, reason and tool, each beside its trace."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from magnet.admin.base import ObjectPage, ReadOnlyAdmin
from magnet.admin.menu import INSIGHT, MenuEntry
from magnet.admin.naming import tools_of
from magnet.models import Feedback, Trace
from magnet.templatetags.magnet_admin import ago_titled, badge_html

STATE = {Feedback.Rating.LIKE: "live", Feedback.Rating.DISLIKE: "failed"}
SHOWN_COMMENT = 200


class RatedToolFilter(admin.SimpleListFilter):
    title = gettext_lazy("tool")
    parameter_name = "slug"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rated = Feedback.objects.exclude(trace__slug="").order_by("trace__slug")
        used = rated.values_list("trace__slug", "trace__feature").distinct()[:50]
        traces = [Trace(slug=slug, feature=feature) for slug, feature in used]
        called = tools_of(traces)
        return [(trace.slug, called[trace.feature, trace.slug].label) for trace in traces]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(trace__slug=self.value()) if self.value() else queryset


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    menu = [MenuEntry(INSIGHT, 3, gettext_lazy("Feedback"), "thumbs_up_down", "admin:magnet_feedback_changelist")]
    empty_icon = "thumbs_up_down"
    empty_text = gettext_lazy("Whoever gets an answer may say what they think of it: in “Try it”, and over the API.")
    list_display = ("question", "opinion", "why", "said", "by", "copied", "moment")
    list_filter = ("rating", "reason", RatedToolFilter, "is_copied", ("updated_at", admin.DateFieldListFilter))
    search_fields = ("comment", "caller_label", "person", "trace__summary")
    list_select_related = ("trace",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("trace__versions", "trace__documents")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Questions stand beside it, so that it is for whoever may see those."""
        return bool(request.user.has_perm("magnet.view_trace"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        return self._object_view(ObjectPage("read", self.read))(request, object_id)

    def read(self, request: HttpRequest, feedback: Any) -> HttpResponseBase:
        """It is read where it belongs: on the page of its trace."""
        return HttpResponseRedirect(reverse("admin:magnet_trace_change", args=[feedback.trace_id]))

    @display(description=gettext_lazy("question"), ordering="trace__summary")
    def question(self, feedback: Feedback) -> SafeString:
        url = reverse("admin:magnet_trace_change", args=[feedback.trace_id])
        return format_html('<a class="mg-link" href="{}">{}</a>', url, feedback.trace.summary or _("(not recorded)"))

    @display(description=gettext_lazy("rating"), ordering="rating")
    def opinion(self, feedback: Feedback) -> SafeString | str:
        return opinion_html(feedback)

    @display(description=gettext_lazy("reason"), ordering="reason")
    def why(self, feedback: Feedback) -> str:
        return str(feedback.get_reason_display()) if feedback.reason else "–"

    @display(description=gettext_lazy("comment"))
    def said(self, feedback: Feedback) -> str:
        text = feedback.comment
        return text if len(text) <= SHOWN_COMMENT else f"{text[:SHOWN_COMMENT]}…"

    @display(description=gettext_lazy("by"), ordering="caller_label")
    def by(self, feedback: Feedback) -> str:
        return f"{feedback.caller_label} · {feedback.person}" if feedback.person else feedback.caller_label or "–"

    @display(description=gettext_lazy("copied"), ordering="is_copied", boolean=True)
    def copied(self, feedback: Feedback) -> bool:
        return feedback.is_copied

    @display(description=gettext_lazy("when"), ordering="updated_at")
    def moment(self, feedback: Feedback) -> SafeString:
        return ago_titled(feedback.updated_at)


def opinion_html(feedback: Feedback) -> SafeString | str:
    return badge_html(STATE[Feedback.Rating(feedback.rating)], str(feedback)) if feedback.rating else "–"
