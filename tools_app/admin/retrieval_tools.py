"""Retrieval tools in the admin: the draft as a form with “Try it” beside it, and what each stage of a try dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy

from knowledge.admin.filter_rows import COMPARISONS, field_names
from magnet.admin.base import ObjectPage
from magnet.admin.menu import TOOLS, MenuEntry
from tools_app import filter_checks
from tools_app.admin import dropped
from tools_app.admin.rag_tools import ANY_DOCUMENT
from tools_app.admin.retrieval_form import RetrievalAdmin
from tools_app.models import RetrievalTool, RetrievalToolSource

LIST = "admin:tools_app_retrievaltool_changelist"


@admin.register(RetrievalTool)
class RetrievalToolAdmin(RetrievalAdmin):
    menu = [MenuEntry(TOOLS, 2, gettext_lazy("Retrieval tools"), "manage_search", LIST)]
    empty_icon = "manage_search"
    empty_text = gettext_lazy(
        "A retrieval tool finds passages in the sources that you choose, for systems that write the answer themselves. "
        "It needs only a name and a source."
    )
    source_rows = RetrievalToolSource
    list_display = ("name", "slug", "reads_from", "what_is_live", "what_is_draft", "changed")

    def object_pages(self) -> Sequence[ObjectPage]:
        return (*super().object_pages(), ObjectPage("dropped", self.dropped_page))

    def dropped_page(self, request: HttpRequest, tool: Any) -> HttpResponseBase:
        """JSON for the script of “Try it”; needs the right to read traces."""
        return JsonResponse(dropped.by_stage(tool, request.GET.get("trace", "")))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        tool = kwargs.get("obj")
        if tool is not None:
            context |= self.try_it_context(tool)
        return super().render_change_form(request, context, *args, **kwargs)

    def try_it_context(self, tool: Any) -> dict[str, Any]:
        """What “Try it” needs: the API path that callers use, and what a filter of theirs may name."""
        version = tool.draft or tool.live
        rows = version.tool_sources.select_related("source") if version else ()
        known = {each.name: each for each in filter_checks.fields_of([row.source for row in rows]).by_frequency}
        return {
            "try_it": "tools_app/try_search.html",
            "search_url": f"/api/retrieval-tools/{tool.slug}/search",
            "document_url": reverse("admin:knowledge_document_change", args=[ANY_DOCUMENT]),
            "trace_url": reverse("admin:magnet_trace_change", args=[ANY_DOCUMENT]),
            "dropped_url": self.url_of(tool, "dropped"),
            "comparisons": COMPARISONS.items(),
            "filter_names": field_names(known),
            "filter_types": {name: field.types for name, field in known.items()},
        }
