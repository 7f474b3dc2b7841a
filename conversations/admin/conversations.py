"""Conversations in the admin: found by what was said, and read like a chat, with what happened beside each answer."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from conversations import analysis, closing, finding
from conversations.models import Conversation, ConversationAnalysis, Message
from magnet.admin.base import ObjectPage, ReadOnlyAdmin
from magnet.admin.menu import CONVERSATIONS, MenuEntry
from magnet.models import Feedback, Trace
from magnet.templatetags.magnet_admin import ago_titled, badge_html, money

STATE = {Conversation.Status.OPEN: "live", Conversation.Status.CLOSED: "retired"}
MOST_MESSAGES = 500


class AgentFilter(admin.SimpleListFilter):
    title = gettext_lazy("agent")
    parameter_name = "agent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        slugs = Conversation.objects.order_by("agent_slug").values_list("agent_slug", flat=True).distinct()[:50]
        return [(slug, slug) for slug in slugs]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(agent_slug=self.value()) if self.value() else queryset


class TopicFilter(admin.SimpleListFilter):
    title = gettext_lazy("topic")
    parameter_name = "topic"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        keys = Conversation.objects.exclude(topic="").order_by("topic").values_list("topic", flat=True)
        return [(key, key) for key in keys.distinct()[:50]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(topic=self.value()) if self.value() else queryset


class FeedbackFilter(admin.SimpleListFilter):
    title = gettext_lazy("feedback")
    parameter_name = "rating"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Feedback.Rating.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.rated(self.value()) if self.value() else queryset  # type: ignore[attr-defined]  # is ours


class CostFilter(admin.SimpleListFilter):
    title = gettext_lazy("cost")
    parameter_name = "cost"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("0.01", _("1 cent and more")), ("0.1", _("10 cents and more")), ("1", _("1 dollar and more"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = {value for value, _label in self.lookup_choices}
        return queryset.filter(cost__gte=self.value()) if self.value() in known else queryset


class CorrectionForm(forms.ModelForm):
    """What an analyst knows better."""

    class Meta:
        model = ConversationAnalysis
        fields = ("summary", "category", "language", "sentiment", "resolution")
        widgets = {"summary": forms.Textarea(attrs={"rows": 3})}


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    menu = [
        MenuEntry(
            CONVERSATIONS, 1, gettext_lazy("Conversations"), "forum", "admin:conversations_conversation_changelist"
        )
    ]
    empty_icon = "forum"
    empty_text = gettext_lazy("What people say to agents stands here, over the API and wherever else they talk.")
    list_display = ("called", "agent_slug", "who", "said", "state", "outcome", "costs", "moment")
    list_filter = (
        AgentFilter, TopicFilter, "status", FeedbackFilter, "analysis__resolution", "analysis__sentiment", CostFilter,
        "is_held", ("last_message_at", admin.DateFieldListFilter),
    )  # fmt: skip
    search_fields = ("title", "person", "caller_label", "messages__text")
    list_select_related = ("analysis",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(message_count=Count("messages", distinct=True))

    def object_pages(self) -> tuple[ObjectPage, ...]:
        return (
            ObjectPage("correct", self.correct, permission="correct", methods=("POST",)),
            ObjectPage("close", self.close, permission="close", methods=("POST",)),
        )

    def has_correct_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("conversations.change_conversationanalysis"))

    def has_close_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("conversations.change_conversation"))

    # -- The list --------------------------------------------------------------------------------------------------

    @display(description=gettext_lazy("title"), ordering="title")
    def called(self, row: Conversation) -> str:
        return row.title or _("(nothing said yet)")

    @display(description=gettext_lazy("with whom"), ordering="person")
    def who(self, row: Conversation) -> str:
        return row.person or row.caller_label or "–"

    @display(description=gettext_lazy("messages"), ordering="message_count")
    def said(self, row: Any) -> int:
        return int(row.message_count)

    @display(description=gettext_lazy("status"), ordering="status")
    def state(self, row: Conversation) -> Any:
        return badge_html(STATE[Conversation.Status(row.status)], str(row.get_status_display()))

    @display(description=gettext_lazy("outcome"), ordering="analysis__resolution")
    def outcome(self, row: Conversation) -> str:
        found: ConversationAnalysis | None = getattr(row, "analysis", None)
        return str(found.get_resolution_display()) if found is not None and found.resolution else "–"

    @display(description=gettext_lazy("cost"), ordering="cost")
    def costs(self, row: Conversation) -> str:
        return money(row.cost)

    @display(description=gettext_lazy("last message"), ordering="last_message_at")
    def moment(self, row: Conversation) -> Any:
        return ago_titled(row.last_message_at)

    # -- The transcript --------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        return self._object_view(ObjectPage("read", self.read))(request, object_id)

    def read(self, request: HttpRequest, row: Any) -> HttpResponseBase:
        shown = list(
            row.messages.defer("paused").prefetch_related("confirmations").order_by("position")[:MOST_MESSAGES]
        )
        finding.hide(row, shown)
        found = ConversationAnalysis.objects.filter(conversation=row).first()
        return self.page(
            request, row, "conversations/transcript.html", conversation=row, said=said_of(shown), analysis=found,
            form=CorrectionForm(instance=found) if self.has_correct_permission(request) else None,
            correct_url=self.url_of(row, "correct"), close_url=self.url_of(row, "close"),
            may_close=row.is_open and self.has_close_permission(request),
        )  # fmt: skip

    def correct(self, request: HttpRequest, row: Any) -> HttpResponseBase:
        form = CorrectionForm(request.POST, instance=ConversationAnalysis(conversation=row))
        if form.is_valid():
            analysis.correct(row, form.cleaned_data)
            messages.success(request, _("The correction is saved."))
        else:
            messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return HttpResponseRedirect(self.url_of(row))

    def close(self, request: HttpRequest, row: Any) -> HttpResponseBase:
        closing.close(row.pk)
        messages.success(request, _("The conversation is closed."))
        return HttpResponseRedirect(self.url_of(row))


def said_of(shown: list[Message]) -> list[dict[str, Any]]:
    """Each message with what people think of it, and the way to its trace while that is kept."""
    traces = [message.trace_id for message in shown if message.trace_id]
    kept = set(Trace.objects.filter(pk__in=traces).values_list("pk", flat=True))
    opinions: dict[Any, list[Feedback]] = {}
    for row in Feedback.objects.filter(trace__in=traces):
        opinions.setdefault(row.trace_id, []).append(row)
    return [
        {
            "message": message,
            "feedback": opinions.get(message.trace_id, []),
            "trace_url": reverse("admin:magnet_trace_change", args=[message.trace_id])
            if message.trace_id in kept
            else "",
        }
        for message in shown
    ]
