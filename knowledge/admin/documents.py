"""Documents in the admin: what there is, in which state and why, and each one's text with its chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import FileResponse, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from knowledge import disabling, uploads
from knowledge.admin.document_page import chosen_chunk, document_context
from knowledge.admin.exploring import holding, served_chunks
from knowledge.admin.metadata_form import metadata_in
from knowledge.models import Chunk, Document, IndexedDocument
from magnet.admin.base import MagnetAdmin, ObjectPage
from magnet.admin.menu import KNOWLEDGE, MenuEntry
from magnet.callers import current_caller
from magnet.errors import NotFound
from magnet.templatetags.magnet_admin import ago_titled, badge_html, thousands

MAX_REASON = 140

LIST = "admin:knowledge_document_changelist"


class StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(IndexedDocument.State.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        return queryset.filter(ledger__index__status="live", ledger__state=self.value())


@admin.register(Document)
class DocumentAdmin(MagnetAdmin):
    menu = [MenuEntry(KNOWLEDGE, 2, gettext_lazy("Documents"), "article", LIST)]
    empty_icon = "article"
    empty_text = gettext_lazy("Documents come from sources. Upload files to one, or let a source look for them.")
    list_display = ("name", "source_link", "state", "reason", "chunk_total", "language", "changed")
    list_filter = (StateFilter, "source", "language", "media_type")
    search_fields = ("title", "remote_id", "url")
    search_help_text = gettext_lazy("Title, id or address, or words in the text")
    ordering = ("-changed_at",)
    actions = ("retry_selected", "exclude_selected", "include_selected", "delete_chosen")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        entry = IndexedDocument.objects.filter(document=OuterRef("pk"), index__status="live")
        return (
            super()
            .get_queryset(request)
            .visible_to(current_caller().groups)
            .without_body()
            .select_related("source")
            .annotate(
                ledger_state=Subquery(entry.values("state")[:1]),
                ledger_failure=Subquery(entry.values("failure")[:1]),
                ledger_chunks=Subquery(entry.values("chunk_count")[:1]),
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Also by words of their text, found as the searches of tools find them."""
        named, may_repeat = super().get_search_results(request, queryset, search_term)
        if not search_term.strip():
            return named, may_repeat
        inside = holding(served_chunks(), search_term).order_by().values("document_id")
        ids = named.order_by().values("pk")
        return queryset.filter(Q(pk__in=ids) | Q(pk__in=inside)), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    # -- The list ----------------------------------------------------------------------------------------------

    @display(description=gettext_lazy("document"), ordering="title")
    def name(self, document: Document) -> SafeString:
        return format_html('<span class="mg-name">{}</span>', document)

    @display(description=gettext_lazy("source"), ordering="source__name")
    def source_link(self, document: Document) -> SafeString:
        url = reverse("admin:knowledge_knowledgesource_overview", args=[document.source_id])
        return format_html('<a class="mg-link mg-whole" href="{}">{}</a>', url, document.source.name)

    @display(description=gettext_lazy("state"), ordering="ledger_state")
    def state(self, document: Any) -> SafeString:
        state = document.ledger_state or IndexedDocument.State.PENDING
        return badge_html(state, str(IndexedDocument.State(state).label))

    @display(description=gettext_lazy("reason"))
    def reason(self, document: Any) -> str:
        reason: str = document.ledger_failure or ""
        return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}…"

    @display(description=gettext_lazy("chunks"), ordering="ledger_chunks")
    def chunk_total(self, document: Any) -> str:
        return thousands(document.ledger_chunks)

    @display(description=gettext_lazy("changed"), ordering="changed_at")
    def changed(self, document: Document) -> SafeString:
        return ago_titled(document.changed_at)

    @admin.action(description=gettext_lazy("Try again"), permissions=["change"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        documents = list(queryset)
        uploads.retry(documents)
        text = ngettext("%(n)d document is tried again.", "%(n)d documents are tried again.", len(documents))
        messages.success(request, text % {"n": len(documents)})

    @admin.action(description=gettext_lazy("Exclude, so that no search finds them"), permissions=["change"])
    def exclude_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = uploads.exclude(queryset)
        text = ngettext("%(n)d document is excluded.", "%(n)d documents are excluded.", count)
        messages.success(request, text % {"n": count})

    @admin.action(description=gettext_lazy("Include again"), permissions=["change"])
    def include_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        documents = list(queryset)
        uploads.include(documents)
        text = ngettext("%(n)d document is included again.", "%(n)d documents are included again.", len(documents))
        messages.success(request, text % {"n": len(documents)})

    @admin.action(description=gettext_lazy("Delete, so that they can be found nowhere"), permissions=["delete"])
    def delete_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        documents = list(queryset)
        for document in documents:
            uploads.delete(document)
        text = ngettext("%(n)d document is deleted.", "%(n)d documents are deleted.", len(documents))
        messages.success(request, text % {"n": len(documents)})

    # -- One document --------------------------------------------------------------------------------------------

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("retry", self.retry, "change", ("POST",)),
            ObjectPage("exclude", self.exclude_one, "change", ("POST",)),
            ObjectPage("include", self.include_one, "change", ("POST",)),
            ObjectPage("metadata", self.change_metadata, "change", ("POST",)),
            ObjectPage("chunk", self.switch_chunk, "change", ("POST",)),
            ObjectPage("original", self.original),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        """The text with its chunks, instead of a form: only the metadata of uploads is edited here."""
        return self._object_view(ObjectPage("read", self.read))(request, object_id)

    def read(self, request: HttpRequest, document: Any) -> HttpResponseBase:
        return self.page(
            request, document, "knowledge/document.html", document=document,
            can_delete=self.has_delete_permission(request, document), **document_context(request, document),
        )  # fmt: skip

    def retry(self, request: HttpRequest, document: Any) -> HttpResponseBase:
        uploads.retry([document])
        messages.success(request, _("“%(name)s” is tried again.") % {"name": document})
        if request.POST.get("back") == "source":
            overview = reverse("admin:knowledge_knowledgesource_overview", args=[document.source_id])
            return HttpResponseRedirect(overview)
        return HttpResponseRedirect(self.url_of(document))

    def exclude_one(self, request: HttpRequest, document: Any) -> HttpResponseBase:
        uploads.exclude([document])
        messages.success(request, _("“%(name)s” is excluded: no search finds it.") % {"name": document})
        return HttpResponseRedirect(self.url_of(document))

    def include_one(self, request: HttpRequest, document: Any) -> HttpResponseBase:
        uploads.include([document])
        messages.success(request, _("“%(name)s” is included again.") % {"name": document})
        return HttpResponseRedirect(self.url_of(document))

    def change_metadata(self, request: HttpRequest, document: Any) -> HttpResponseBase:
        metadata = metadata_in(request.POST, document.source, stored=document.metadata)
        if uploads.change_metadata(document, metadata):
            messages.success(request, _("The metadata is changed; filters see it from now on."))
        else:
            messages.info(request, _("The metadata is as it was."))
        return HttpResponseRedirect(self.url_of(document))

    def switch_chunk(self, request: HttpRequest, document: Any) -> HttpResponseBase:
        """Take the chunk out of searches, or let it in again."""
        chunk = chosen_chunk(request.POST.get("chunk", ""), document)
        if chunk is None:
            raise NotFound(_("This chunk is gone: the document was cut again meanwhile."))
        if chunk.is_disabled:
            disabling.enable([chunk])
            messages.success(request, _("Searches find this chunk again."))
        else:
            disabling.disable([chunk])
            messages.success(request, _("No search finds this chunk any more, also after the next sync."))
        return HttpResponseRedirect(f"{self.url_of(document)}?chunk={chunk.pk}#passage")

    def original(self, request: HttpRequest, document: Any) -> HttpResponseBase:
        """Always as a download: shown in the browser, a page from outside would run as a page of ours."""
        if not document.file:
            raise NotFound(_("The original of “%(name)s” was not kept.") % {"name": document})
        name = document.remote_id.rsplit("/", 1)[-1] or "document"
        response = FileResponse(
            document.file.open("rb"), as_attachment=True, filename=name, content_type="application/octet-stream"
        )
        response["X-Content-Type-Options"] = "nosniff"
        return response

    # -- Deleting ------------------------------------------------------------------------------------------------

    def goes_too(self, obj: Any) -> list[str]:
        count = Chunk.objects.filter(document=obj).count()
        sentences = [ngettext("%(n)s chunk goes with it.", "%(n)s chunks go with it.", count) % {"n": thousands(count)}]
        if not obj.source.is_pushed:
            sentences.append(_("The next sync brings it back while its source still has it."))
        return sentences

    def deleted(self, request: HttpRequest, obj: Any) -> HttpResponseBase:
        """Back to the documents among which it was."""
        source = obj.source_id
        super().deleted(request, obj)
        return HttpResponseRedirect(f"{reverse(LIST)}?source__id__exact={source}")

    def delete_one(self, obj: Any) -> None:
        uploads.delete(obj)
