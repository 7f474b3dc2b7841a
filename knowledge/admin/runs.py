"""Sync runs in the admin: how they went, and what a waiting one asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from knowledge import run_log, sync
from knowledge.admin.progress import progress_of, receipt_sentences
from knowledge.models import Document, SyncRun, SyncRunEvent
from magnet.admin.base import ObjectPage, ReadOnlyAdmin
from magnet.admin.menu import KNOWLEDGE, MenuEntry
from magnet.callers import current_caller
from magnet.templatetags.magnet_admin import ago_titled, badge_html, milliseconds, thousands

TRIGGERS = {
    "manual": gettext_lazy("by hand"),
    "schedule": gettext_lazy("by the schedule"),
    "push": gettext_lazy("by an upload"),
    "retry": gettext_lazy("another try"),
    "api": gettext_lazy("over the API"),
    "demo": gettext_lazy("by the demo"),
}

LIST = "admin:knowledge_syncrun_changelist"


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    menu = [MenuEntry(KNOWLEDGE, 4, gettext_lazy("Sync runs"), "sync", LIST)]
    empty_icon = "sync"
    empty_text = gettext_lazy("Each sync of a source leaves a run with its receipt here.")
    list_display = ("asked_for", "source", "state", "started_by", "documents", "took", "remark")
    list_filter = ("status", "source", ("created_at", admin.DateFieldListFilter))
    search_fields = ("source__name", "source__slug", "error", "actor_label")
    list_select_related = ("source",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("source")

    @display(description=gettext_lazy("asked for"), ordering="created_at")
    def asked_for(self, run: SyncRun) -> SafeString:
        return ago_titled(run.created_at)

    @display(description=gettext_lazy("status"), ordering="status")
    def state(self, run: SyncRun) -> SafeString:
        return badge_html("error" if run.looks_stuck else run.status, str(run.get_status_display()))

    @display(description=gettext_lazy("started by"))
    def started_by(self, run: SyncRun) -> str:
        return started_by(run)

    @display(description=gettext_lazy("documents"))
    def documents(self, run: SyncRun) -> str:
        return f"{thousands(run.done)} / {thousands(run.to_do)}"

    @display(description=gettext_lazy("took"))
    def took(self, run: SyncRun) -> str:
        return took(run)

    @display(description=gettext_lazy("remark"))
    def remark(self, run: SyncRun) -> str:
        return run.remark[:140]

    # -- One run -------------------------------------------------------------------------------------------------

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("approve", self.approve, "steer", ("POST",)),
            ObjectPage("cancel", self.cancel, "steer", ("POST",)),
            ObjectPage("log", self.log),
        )

    def has_steer_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("knowledge.change_knowledgesource"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        return self._object_view(ObjectPage("read", self.read))(request, object_id)

    def read(self, request: HttpRequest, run: Any) -> HttpResponseBase:
        return self.page(
            request, run, "knowledge/sync_run.html", run=run, source=run.source, progress=progress_of(run),
            receipt=receipt_sentences(run), trigger=started_by(run), took=took(run), lines=lines_of(run),
            can_steer=self.has_steer_permission(request, run),
        )  # fmt: skip

    def log(self, request: HttpRequest, run: Any) -> HttpResponseBase:
        """What came after the line `?after=`, and how the run stands; asked for each second while it works."""
        after = request.GET.get("after", "")
        found = lines_of(run, after=int(after) if after.isdecimal() and len(after) < 19 else 0)
        return JsonResponse({"lines": found, "run": progress_of(run)})

    def approve(self, request: HttpRequest, run: Any) -> HttpResponseBase:
        sync.approve(run)
        messages.success(request, _("The deletions are approved; the sync goes on."))
        return back_to(run)

    def cancel(self, request: HttpRequest, run: Any) -> HttpResponseBase:
        sync.cancel(run)
        messages.success(request, _("The sync is cancelled. What is indexed stays."))
        return back_to(run)


def lines_of(run: SyncRun, *, after: int = 0) -> list[dict[str, Any]]:
    """Without those about documents that are not for this person, or of which nobody knows any more."""
    rows = run_log.lines(run, after=after)
    groups = current_caller().groups
    if groups is not None:
        named = Document.objects.filter(pk__in=[row.document_id for row in rows if row.document_id])
        shown = {None, *named.visible_to(groups).values_list("pk", flat=True)}
        rows = [row for row in rows if row.document_id in shown]
    return [line_of(row) for row in rows]


def line_of(row: SyncRunEvent) -> dict[str, Any]:
    page = "admin:knowledge_document_change"
    return {
        "id": row.pk,
        "at": f"{timezone.localtime(row.at):%H:%M:%S}",
        "level": row.level,
        "text": row.text,
        "url": reverse(page, args=[row.document_id]) if row.document_id else "",
    }


def back_to(run: SyncRun) -> HttpResponseBase:
    return HttpResponseRedirect(reverse("admin:knowledge_knowledgesource_overview", args=[run.source_id]))


def started_by(run: SyncRun) -> str:
    how = str(TRIGGERS.get(run.trigger, run.trigger))
    return f"{run.actor_label}, {how}" if run.actor_label and run.trigger != "schedule" else how


def took(run: SyncRun) -> str:
    if run.started_at is None or run.finished_at is None:
        return "–"
    return milliseconds((run.finished_at - run.started_at).total_seconds() * 1_000)
