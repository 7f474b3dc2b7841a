"""Knowledge sources in the admin: added in two steps, watched, filled, searched and set up on tabs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from knowledge import health, ledger, sync
from knowledge.admin.cutting_form import shown_when_chosen
from knowledge.admin.dashboard import overview_page, proof_page, retry_failed
from knowledge.admin.generations import pages_of, wants_reindex
from knowledge.admin.previewing import offered, preview_page
from knowledge.admin.progress import progress_of
from knowledge.admin.schedules import explain_cron
from knowledge.admin.searching import search_page
from knowledge.admin.source_form import fieldsets_for, form_for
from knowledge.admin.uploading import outcomes, upload_page
from knowledge.connectors import CONNECTORS
from knowledge.models import IndexedDocument, KnowledgeSource, SyncRun
from magnet.admin.base import SETTINGS_TAB, ObjectPage, Tab
from magnet.admin.kinds import Choice, KindFirstAdmin
from magnet.admin.menu import KNOWLEDGE, MenuEntry
from magnet.errors import MagnetError
from magnet.templatetags.magnet_admin import ago_titled, badge_html, thousands

ICONS = {"upload": "upload_file", "folder": "folder", "website": "language"}

LIST = "admin:knowledge_knowledgesource_changelist"


@admin.register(KnowledgeSource)
class KnowledgeSourceAdmin(KindFirstAdmin):
    menu = [MenuEntry(KNOWLEDGE, 1, gettext_lazy("Sources"), "library_books", LIST)]
    tabs = (
        Tab("overview", gettext_lazy("Overview")),
        Tab("upload", gettext_lazy("Upload"), permission="change"),
        Tab("documents", gettext_lazy("Documents")),
        Tab("search", gettext_lazy("Try a search")),
        Tab("index", gettext_lazy("Index")),
        SETTINGS_TAB,
    )
    kind_field = "connector"
    question = gettext_lazy("Where are the documents?")
    empty_icon = "library_books"
    empty_text = gettext_lazy(
        "A source is where documents come from: files that you upload, a folder, a website. Add one, and its documents "
        "can be found and cited."
    )
    list_display = ("name", "kind", "documents", "health", "last_sync", "next_sync")
    list_filter = ("connector", "schedule", "tags")
    search_fields = ("name", "slug", "description")
    prepopulated_fields = {"slug": ("name",)}
    change_form_after_template = "knowledge/source_form_after.html"
    made_by_form = ("config", "chunker_config", "encrypted_secrets")

    @property
    def conditional_fields(self) -> dict[str, str]:
        is_cron = "schedule == 'cron'"
        return {"cron": is_cron, "time_zone": is_cron, **shown_when_chosen()}

    # -- The list ----------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        ledger_of_source = IndexedDocument.objects.filter(index__source=OuterRef("pk"), index__status="live").order_by()
        counted = ledger_of_source.values("index").annotate(n=Count("id")).values("n")
        runs = SyncRun.objects.filter(source=OuterRef("pk")).order_by("-created_at")
        return (
            super()
            .get_queryset(request)
            .annotate(
                document_count=Subquery(counted),
                failed_count=Subquery(
                    ledger_of_source.filter(state__in=["failed", "stale"])
                    .values("index").annotate(n=Count("id")).values("n")
                ),
                pending_count=Subquery(
                    ledger_of_source.filter(state="pending").values("index").annotate(n=Count("id")).values("n")
                ),
                last_status=Subquery(runs.values("status")[:1]),
                last_run_at=Subquery(runs.values("created_at")[:1]),
            )
            .prefetch_related(Prefetch("runs", SyncRun.objects.order_by("-created_at")[:2], to_attr="newest_runs"))
        )  # fmt: skip

    @display(description=gettext_lazy("connector"), ordering="connector")
    def kind(self, source: KnowledgeSource) -> str:
        return source.connector_class.label

    @display(description=gettext_lazy("documents"), ordering="document_count")
    def documents(self, source: Any) -> str:
        return thousands(source.document_count)

    @display(description=gettext_lazy("health"))
    def health(self, source: Any) -> SafeString:
        """In the words of its first page."""
        failed, pending = source.failed_count or 0, source.pending_count or 0
        states = {"live": (source.document_count or 0) - failed - pending, "failed": failed, "pending": pending}
        current = next((run for run in source.newest_runs if not run.is_finished), None)
        last = next((run for run in source.newest_runs if run.is_finished), None)
        found = health.of(source, states=states, current=current, last=last)
        return badge_html(found.tone, found.word)

    @display(description=gettext_lazy("last sync"), ordering="last_run_at")
    def last_sync(self, source: Any) -> SafeString | str:
        if source.last_run_at is None:
            return "–"
        unusual = source.last_status not in (SyncRun.Status.DONE, SyncRun.Status.CANCELLED)
        status = badge_html(source.last_status, str(SyncRun.Status(source.last_status).label)) if unusual else ""
        return SafeString(status + " " + ago_titled(source.last_run_at))

    @display(description=gettext_lazy("next sync"), ordering="next_sync_at")
    def next_sync(self, source: KnowledgeSource) -> SafeString | str:
        if source.next_sync_at is None:
            return _("by hand")
        return ago_titled(source.next_sync_at)

    # -- Adding: first the kind, then the form -------------------------------------------------------------------

    def choices(self) -> list[Choice]:
        return [
            Choice(kind, connector.label, connector.description, ICONS.get(kind, "cable"))
            for kind, connector in CONNECTORS.items()
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = form_for(self.kind_of(request, obj), obj)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return fieldsets_for(self.kind_of(request, obj), is_indexed=bool(obj and obj.live_index))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return () if obj is None else ("slug",)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The settings of a kind that is gone cannot be shown, so saving would lose them.
        is_missing = obj is not None and obj.connector not in CONNECTORS
        return bool(super().has_change_permission(request, obj)) and not is_missing

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if {"schedule", "cron", "time_zone"} & set(form.changed_data) or not change:
            obj.plan_next_sync()
            obj.save(update_fields=["next_sync_at"])
        if change and wants_reindex(obj):
            messages.info(request, _("These settings differ from what serves: the tab “Index” offers a re-index."))

    # -- Tabs ----------------------------------------------------------------------------------------------------

    def shown_tabs(self, request: HttpRequest, obj: Any) -> Sequence[Tab]:
        return [tab for tab in self.tabs if tab.route != "upload" or obj.is_pushed]

    def get_urls(self) -> list[URLPattern]:
        explain = path(
            "explain-cron/", self.admin_site.admin_view(explain_cron), name="knowledge_knowledgesource_explain_cron"
        )
        previews = self.admin_site.admin_view(partial(preview_page, self))
        return [explain, path("preview/", previews, name="knowledge_knowledgesource_preview"), *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        source = self.get_object(request, object_id) if object_id else None
        return super().changeform_view(request, object_id, form_url, {**offered(source), **(extra_context or {})})

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("overview", partial(overview_page, self)),
            ObjectPage("proof", partial(proof_page, self), "view", ("GET", "POST")),
            ObjectPage(
                "retry-failed", lambda request, source: retry_failed(self, request, source), "change", ("POST",)
            ),
            ObjectPage("upload", lambda request, source: upload_page(self, request, source), "change", ("GET", "POST")),
            ObjectPage("outcomes", outcomes, "change", ("POST",)),
            ObjectPage("documents", self.documents_page),
            ObjectPage("search", lambda request, source: search_page(self, request, source)),
            ObjectPage("progress", self.progress),
            ObjectPage("sync", self.sync_now, "change", ("POST",)),
            ObjectPage("check", self.test_connection, "change", ("POST",)),
            *pages_of(self),
        )

    def documents_page(self, request: HttpRequest, source: Any) -> HttpResponseBase:
        url = reverse("admin:knowledge_document_changelist")
        return HttpResponseRedirect(f"{url}?source__id__exact={source.pk}")

    # -- Buttons -------------------------------------------------------------------------------------------------

    def sync_now(self, request: HttpRequest, source: Any) -> HttpResponseBase:
        sync.start(source)
        return HttpResponseRedirect(self.url_of(source, "overview"))

    def progress(self, request: HttpRequest, source: Any) -> HttpResponseBase:
        """The unfinished run, else the one that ended last; polled each second."""
        run = source.runs.unfinished().first() or source.runs.first()
        return JsonResponse({"run": progress_of(run) if run else None})

    def test_connection(self, request: HttpRequest, source: Any) -> HttpResponseBase:
        connector = source.open_connector()
        try:
            return JsonResponse({"detail": connector.check()})
        except MagnetError as error:
            # A test reads and deletes nothing, so what a sync would add around the cause is left out.
            error.detail = cause_of(error.detail)
            raise
        finally:
            connector.close()

    # -- Deleting ------------------------------------------------------------------------------------------------

    def goes_too(self, obj: Any) -> list[str]:
        count = obj.documents.count()
        return [
            ngettext("%(n)s document goes with it.", "%(n)s documents go with it.", count) % {"n": thousands(count)},
            _("They can be found nowhere afterwards; answers already given keep their text until it expires."),
        ]

    def delete_one(self, obj: Any) -> None:
        ledger.delete_source(obj)


def cause_of(sentence: str) -> str:
    """“The host name … cannot be found.” of what a sync would say about it."""
    return sentence.removeprefix("Nobody can say what may be read there: ").removesuffix(" Nothing was deleted.")
