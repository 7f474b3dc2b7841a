"""What the pages of traces call tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import reverse

from magnet.admin.naming import Name, brings_names
from tools_app.models import ApiTool, McpTool, RagTool, RetrievalTool


@brings_names("rag_tool")
def rag_tool_names(slugs: Iterable[Any]) -> dict[Any, Name]:
    rows = RagTool.objects.filter(slug__in=slugs).only("pk", "slug", "name")
    return {row.slug: Name(row.name, reverse("admin:tools_app_ragtool_change", args=[row.pk])) for row in rows}


@brings_names("retrieval_tool")
def retrieval_tool_names(slugs: Iterable[Any]) -> dict[Any, Name]:
    rows = RetrievalTool.objects.filter(slug__in=slugs).only("pk", "slug", "name")
    return {row.slug: Name(row.name, reverse("admin:tools_app_retrievaltool_change", args=[row.pk])) for row in rows}


@brings_names("api_tool")
def api_tool_names(slugs: Iterable[Any]) -> dict[Any, Name]:
    rows = ApiTool.objects.filter(slug__in=slugs).only("pk", "slug", "name")
    return {row.slug: Name(row.name, reverse("admin:tools_app_apitool_change", args=[row.pk])) for row in rows}


@brings_names("mcp_tool")
def mcp_tool_names(slugs: Iterable[Any]) -> dict[Any, Name]:
    """By “server/tool”."""
    servers = {str(slug).partition("/")[0] for slug in slugs}
    rows = McpTool.objects.filter(server__slug__in=servers).select_related("server")
    named = {row.full_slug: Name(row.name, reverse("admin:tools_app_mcptool_change", args=[row.pk])) for row in rows}
    return {slug: named[slug] for slug in slugs if slug in named}
