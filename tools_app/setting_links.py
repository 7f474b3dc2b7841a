"""Where in the admin a person changes what kept a document out: the field of the draft, the source, the document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import NoReverseMatch, reverse

from knowledge.models import Document
from tools_app.models import RagTool, RetrievalTool

TOOLS: dict[str, Any] = {"rag_tool": RagTool, "retrieval_tool": RetrievalTool}


def tool_of(feature: str, slug: str, versions: Mapping[str, Any]) -> Any:
    """The tool that was asked, as it is now; None where it is gone, or none was."""
    for kind, model in TOOLS.items():
        asked = slug if feature == kind else (versions.get(kind) or {}).get("slug")
        if asked:
            return model.objects.select_related("live", "draft").filter(slug=asked).first()
    return None


def of_tool(tool: Any, setting: str) -> str:
    """The draft's form at the field."""
    if tool is None:
        return ""
    page = _page(f"admin:{tool._meta.app_label}_{tool._meta.model_name}_change", tool.pk)
    return f"{page}#id_{setting}" if page else ""


def of_document(document: Document) -> str:
    return _page("admin:knowledge_document_change", document.pk)


def of_source(source_id: int) -> str:
    return _page("admin:knowledge_knowledgesource_overview", source_id)


def of_sources() -> str:
    """The list from which sources are synced and handed documents."""
    return _page("admin:knowledge_knowledgesource_changelist")


def of_providers() -> str:
    return _page("admin:magnet_provider_changelist")


def _page(name: str, *args: Any) -> str:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
