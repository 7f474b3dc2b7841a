"""MCP servers in the admin: the way is chosen first, the connection tested, and what its tools say approved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from magnet.admin.base import SETTINGS_TAB, ObjectPage, Tab
from magnet.admin.kinds import Choice, KindFirstAdmin
from magnet.admin.menu import TOOLS, MenuEntry
from magnet.event_loop import run_from_sync
from magnet.templatetags.magnet_admin import ago_titled, badge_html
from tools_app import mcp_client, mcp_refresh
from tools_app.admin.mcp_server_form import BEHIND_THE_FORM, fieldsets_for, form_for
from tools_app.admin.mcp_words import compared, state_of
from tools_app.api_auth import AUTHS
from tools_app.mcp_refresh import Refreshed
from tools_app.mcp_transports import TRANSPORTS
from tools_app.models import McpServer
from tools_app.models.mcp_tools import SIGN_INS

LIST = "admin:tools_app_mcpserver_changelist"


@admin.register(McpServer)
class McpServerAdmin(KindFirstAdmin):
    menu = [MenuEntry(TOOLS, 8, gettext_lazy("MCP servers"), "hub", LIST)]
    tabs = (SETTINGS_TAB, Tab("tools", gettext_lazy("Tools")))
    kind_field = "transport"
    question = gettext_lazy("How is it reached?")
    empty_icon = "hub"
    empty_text = gettext_lazy(
        "An MCP server is another system that offers tools by itself. Add one, refresh its tools, read what it says "
        "of them, and approve those that models may use."
    )
    list_display = ("name", "place_shown", "way", "tool_total", "waiting", "refreshed", "activity")
    list_filter = ("transport", "is_active", "tags")
    search_fields = ("name", "slug", "url")
    change_form_after_template = "tools_app/mcp_server_after.html"
    made_by_form = (*BEHIND_THE_FORM, "encrypted_secrets")

    # -- The list ----------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        is_there = Q(tools__gone_at=None)
        is_waiting = is_there & Q(tools__isnull=False) & ~Q(tools__approved_fingerprint=F("tools__fingerprint"))
        counts = {"tool_count": Count("tools", filter=is_there), "wait_count": Count("tools", filter=is_waiting)}
        return super().get_queryset(request).annotate(**counts)

    @display(description=gettext_lazy("where"), ordering="url")
    def place_shown(self, server: McpServer) -> str:
        return server.place or "–"

    @display(description=gettext_lazy("reached by"), ordering="transport")
    def way(self, server: McpServer) -> str:
        return TRANSPORTS[server.transport].label if server.transport in TRANSPORTS else server.transport

    @display(description=gettext_lazy("tools"), ordering="tool_count")
    def tool_total(self, server: Any) -> str:
        return str(server.tool_count)

    @display(description=gettext_lazy("to approve"), ordering="wait_count")
    def waiting(self, server: Any) -> SafeString | str:
        return badge_html("pending", str(server.wait_count)) if server.wait_count else "–"

    @display(description=gettext_lazy("tools read"), ordering="refreshed_at")
    def refreshed(self, server: McpServer) -> SafeString | str:
        return ago_titled(server.refreshed_at) if server.refreshed_at else "–"

    @display(description=gettext_lazy("status"), ordering="is_active")
    def activity(self, server: McpServer) -> SafeString:
        if not server.is_active:
            return badge_html("excluded", _("Off"))
        return badge_html("live", _("Active")) if server.verifies_tls else badge_html("stale", _("Unchecked TLS"))

    # -- The form ----------------------------------------------------------------------------------------------

    def choices(self) -> list[Choice]:
        return [Choice(kind, way.label, way.description, way.icon) for kind, way in TRANSPORTS.items()]

    def auth_of(self, request: HttpRequest, obj: Any = None) -> str:
        """The address may name another sign-in, which the form then asks for; a command has none."""
        way = TRANSPORTS.get(self.kind_of(request, obj))
        if way is None or not way.has_address:
            return "none"
        asked = request.GET.get("auth_kind", "")
        return asked if asked in SIGN_INS else obj.auth_kind if obj is not None else "none"

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = form_for(self.kind_of(request, obj), self.auth_of(request, obj), obj)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return fieldsets_for(self.kind_of(request, obj), self.auth_of(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("slug",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_missing = obj is not None and (obj.transport not in TRANSPORTS or obj.auth_kind not in AUTHS)
        return bool(super().has_change_permission(request, obj)) and not is_missing

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        server, chosen = kwargs.get("obj"), self.kind_of(request, kwargs.get("obj"))
        if chosen in TRANSPORTS and TRANSPORTS[chosen].has_address:
            context["auths"] = [(kind, AUTHS[kind].label) for kind in SIGN_INS]
            context["chosen_auth"] = self.auth_of(request, server)
            context["chosen_way"] = "" if server is not None else chosen
        return super().render_change_form(request, context, *args, **kwargs)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url_of(obj, "tools"))

    # -- Pages -------------------------------------------------------------------------------------------------

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("check", self.test_connection, "change", ("POST",)),
            ObjectPage("tools", self.tools_page),
            ObjectPage("refresh", self.refresh, "change", ("POST",)),
            ObjectPage("approve", self.approve, "change", ("POST",)),
        )

    def test_connection(self, request: HttpRequest, server: Any) -> HttpResponseBase:
        return JsonResponse({"detail": run_from_sync(mcp_client.check(server))})

    def tools_page(self, request: HttpRequest, server: Any) -> HttpResponseBase:
        tools = list(server.tools.select_related("server"))
        rows = [(tool, *state_of(tool), compared(tool)) for tool in tools]
        # What a person has to do stands first.
        rows.sort(key=lambda row: (row[1] not in ("changed", "pending"), row[0].name))
        waiting = sum(1 for tool in tools if tool.gone_at is None and not tool.is_approved)
        return self.page(
            request, server, "tools_app/mcp_server_tools.html", tab="tools", rows=rows, server=server, waiting=waiting
        )

    def refresh(self, request: HttpRequest, server: Any) -> HttpResponseBase:
        messages.success(request, in_words(run_from_sync(mcp_refresh.refresh(server))))
        return HttpResponseRedirect(self.url_of(server, "tools"))

    def approve(self, request: HttpRequest, server: Any) -> HttpResponseBase:
        """Those whose words stood on the page: what has changed since is left alone and said."""
        read = dict(entry.partition(":")[::2] for entry in request.POST.getlist("read"))
        tools = [tool for tool in server.tools.filter(gone_at=None) if str(tool.pk) in read and not tool.is_approved]
        fresh = [tool for tool in tools if tool.fingerprint == read[str(tool.pk)]]
        for tool in fresh:
            mcp_refresh.approve(tool, by=request.user.get_username(), fingerprint=tool.fingerprint)
        count = len(fresh)
        if count:
            said = ngettext("%(n)d tool is approved.", "%(n)d tools are approved.", count) % {"n": count}
            messages.success(request, said)
        if count < len(tools):
            messages.warning(request, _("Some have changed since you read them. Read them once more."))
        return HttpResponseRedirect(self.url_of(server, "tools"))

    def goes_too(self, obj: Any) -> list[str]:
        count = obj.tools.count()
        return [ngettext("%(n)d MCP tool goes with it.", "%(n)d MCP tools go with it.", count) % {"n": count}]


def in_words(found: Refreshed) -> str:
    counts = {name: len(getattr(found, name)) for name in ("new", "changed", "gone", "unchanged")}
    said = _("%(new)d new, %(changed)d changed, %(gone)d gone, %(unchanged)d unchanged.") % counts
    return f"{said} {found.note}".strip()
