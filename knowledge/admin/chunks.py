"""Chunks in the admin: what searches look at, piece by piece, and which pieces people have taken out."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from knowledge import disabling
from knowledge.admin.exploring import holding, served_chunks
from knowledge.models import Chunk, IndexedDocument
from magnet.admin.base import MagnetAdmin
from magnet.admin.menu import KNOWLEDGE, MenuEntry
from magnet.templatetags.magnet_admin import badge_html, thousands

EXCERPT = 220
# A list shows words; how they are set is on the page of the document.
HEADING_MARKS = re.compile(r"^#{1,6} ", re.MULTILINE)


class DocumentStateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state of the document")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        with_chunks = (IndexedDocument.State.LIVE, IndexedDocument.State.STALE)
        return [(state.value, state.label) for state in with_chunks]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        return queryset.filter(document__ledger__index=F("index"), document__ledger__state=self.value())


class DisabledFilter(admin.SimpleListFilter):
    title = gettext_lazy("found by searches")
    parameter_name = "disabled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("Found")), ("yes", _("Disabled"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(is_disabled=self.value() == "yes") if self.value() else queryset


@admin.register(Chunk)
class ChunkAdmin(MagnetAdmin):
    menu = [MenuEntry(KNOWLEDGE, 3, gettext_lazy("Chunks"), "segment", "admin:knowledge_chunk_changelist")]
    empty_icon = "segment"
    empty_text = gettext_lazy("Documents are cut into chunks, which searches find. They appear with the first sync.")
    list_display = ("excerpt", "document_link", "source", "place", "tokens", "state")
    list_filter = (DisabledFilter, "index__source", DocumentStateFilter, "document__language", "document__media_type")
    search_fields = ("text",)
    search_help_text = gettext_lazy("Words in titles, headings and texts")
    ordering = ("-pk",)
    show_full_result_count = False
    actions = ("disable_selected", "enable_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return served_chunks().select_related("index__source", "document").only(*SHOWN)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the words' index: looking for letters in every text would take minutes in a large source."""
        return (holding(queryset, search_term) if search_term.strip() else queryset), False

    # What may be done with chunks follows from what may be done with their documents.

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("knowledge.view_document"))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("knowledge.view_document"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("knowledge.change_document"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=gettext_lazy("text"))
    def excerpt(self, chunk: Chunk) -> SafeString:
        text = HEADING_MARKS.sub("", chunk.text)
        text = text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
        return format_html('<span class="mg-name{}">{}</span>', " mg-off" if chunk.is_disabled else "", text)

    @display(description=gettext_lazy("document"), ordering="document__title")
    def document_link(self, chunk: Chunk) -> SafeString:
        return format_html('<a class="mg-link" href="{}">{}</a>', place_of(chunk), chunk.document)

    @display(description=gettext_lazy("source"), ordering="index__source__name")
    def source(self, chunk: Chunk) -> str:
        return str(chunk.index.source)

    @display(description=gettext_lazy("place"))
    def place(self, chunk: Chunk) -> str:
        page = _("page %(n)d") % {"n": chunk.page} if chunk.page else ""
        return " · ".join(part for part in (chunk.heading[:80], page) if part) or "–"

    @display(description=gettext_lazy("tokens"), ordering="token_count")
    def tokens(self, chunk: Chunk) -> str:
        return thousands(chunk.token_count)

    @display(description=gettext_lazy("searches"), ordering="is_disabled")
    def state(self, chunk: Chunk) -> SafeString:
        return badge_html("excluded", _("Disabled")) if chunk.is_disabled else badge_html("live", _("Found"))

    @admin.action(description=gettext_lazy("Disable, so that no search finds them"), permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = disabling.disable(queryset)
        text = ngettext("%(n)d chunk is disabled.", "%(n)d chunks are disabled.", count)
        messages.success(request, text % {"n": count})

    @admin.action(description=gettext_lazy("Enable, so that searches find them again"), permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = disabling.enable(queryset)
        text = ngettext("%(n)d chunk is enabled.", "%(n)d chunks are enabled.", count)
        messages.success(request, text % {"n": count})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        """A chunk is read where it stands, in its document."""
        chunk = self.get_object(request, object_id)
        return self.not_there(request, object_id) if chunk is None else HttpResponseRedirect(place_of(chunk))


SHOWN = (
    "text", "heading", "page", "token_count", "is_disabled", "position", "index__source__name", "index__number",
    "document__title", "document__remote_id",
)  # fmt: skip


def place_of(chunk: Any) -> str:
    page = reverse("admin:knowledge_document_change", args=[chunk.document_id])
    return f"{page}?chunk={chunk.pk}#passage"
