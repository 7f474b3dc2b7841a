"""MCP tools in the admin: what a server says of each, whether it is approved, and “Try it”."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from magnet.admin.base import MagnetAdmin
from magnet.admin.menu import TOOLS, MenuEntry
from magnet.templatetags.magnet_admin import badge_html
from tools_app.admin.api_tools import ANY_TRACE, try_fields
from tools_app.admin.mcp_words import compared, in_words, state_of
from tools_app.mcp_calls import why_not
from tools_app.models import McpTool

LIST = "admin:tools_app_mcptool_changelist"


@admin.register(McpTool)
class McpToolAdmin(MagnetAdmin):
    menu = [MenuEntry(TOOLS, 7, gettext_lazy("MCP tools"), "extension", LIST)]
    empty_icon = "extension"
    empty_text = gettext_lazy("MCP tools come from MCP servers: add a server and refresh its tools.")
    list_display = ("name", "server", "full_slug_shown", "state", "said_read_only")
    list_filter = ("server", "is_enabled")
    search_fields = ("name", "slug", "description")
    list_select_related = ("server",)
    change_form_after_template = "tools_app/mcp_tool_after.html"
    fields = ("is_enabled", "is_read_only")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They come and go with their server; one that is not wanted is switched off."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("server")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ()

    @display(description=gettext_lazy("slug"), ordering="slug")
    def full_slug_shown(self, tool: McpTool) -> str:
        return tool.full_slug

    @display(description=gettext_lazy("status"), ordering="approved_fingerprint")
    def state(self, tool: McpTool) -> SafeString:
        return badge_html(*state_of(tool))

    @display(description=gettext_lazy("changes nothing"), boolean=True, ordering="is_read_only")
    def said_read_only(self, tool: McpTool) -> bool:
        return tool.is_read_only

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        tool = kwargs.get("obj")
        if tool is not None:
            context |= {
                "run_url": f"/api/mcp-servers/{tool.server.slug}/tools/{tool.slug}/run",
                "trace_url": reverse("admin:magnet_trace_change", args=[ANY_TRACE]),
                "server_url": reverse("admin:tools_app_mcpserver_tools", args=[tool.server_id]),
                "try_fields": try_fields(tool.arguments),
                "said": [(name, in_words(getattr(tool, name))) for name in tool.SAID if getattr(tool, name)],
                "differences": compared(tool),
                "why_not": why_not(tool),
                "may_run": request.user.has_perm("tools_app.run_mcptool"),
            }
        return super().render_change_form(request, context, *args, **kwargs)
