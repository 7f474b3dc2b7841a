"""API servers in the admin: the sign-in is chosen first, the connection tested, a document imported on a tab."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from magnet.admin.base import SETTINGS_TAB, ObjectPage, Tab
from magnet.admin.kinds import Choice, KindFirstAdmin
from magnet.admin.menu import TOOLS, MenuEntry
from magnet.event_loop import run_from_sync
from magnet.templatetags.magnet_admin import ago_titled, badge_html
from tools_app import api_calls
from tools_app.admin.api_server_form import fieldsets_for, form_for
from tools_app.admin.importing import import_page, review_page
from tools_app.api_auth import AUTHS
from tools_app.models import ApiServer

LIST = "admin:tools_app_apiserver_changelist"
ICONS = {"none": "public", "basic": "person", "conversation": "forum"}


@admin.register(ApiServer)
class ApiServerAdmin(KindFirstAdmin):
    menu = [MenuEntry(TOOLS, 6, gettext_lazy("API servers"), "dns", LIST)]
    tabs = (
        SETTINGS_TAB,
        Tab("import", gettext_lazy("Import"), permission="change"),
        Tab("tools", gettext_lazy("Tools")),
    )
    kind_field = "auth_kind"
    question = gettext_lazy("How do you sign in to it?")
    empty_icon = "dns"
    empty_text = gettext_lazy(
        "An API server is another system that tools may call. Add one, import its OpenAPI document, and choose the "
        "operations that become tools."
    )
    list_display = ("name", "address", "sign_in", "tool_total", "imported", "activity")
    list_filter = ("auth_kind", "is_active", "tags")
    search_fields = ("name", "slug", "base_url")
    change_form_after_template = "tools_app/api_server_after.html"
    made_by_form = ("auth_kind", "auth_config", "encrypted_secrets", "headers")

    # -- The list ----------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(tool_count=Count("tools", filter=Q(tools__gone_at=None)))

    @display(description=gettext_lazy("address"), ordering="base_url")
    def address(self, server: ApiServer) -> str:
        return server.base_url or "–"

    @display(description=gettext_lazy("sign-in"), ordering="auth_kind")
    def sign_in(self, server: ApiServer) -> str:
        return AUTHS[server.auth_kind].label if server.auth_kind in AUTHS else server.auth_kind

    @display(description=gettext_lazy("tools"), ordering="tool_count")
    def tool_total(self, server: Any) -> str:
        return str(server.tool_count)

    @display(description=gettext_lazy("imported"), ordering="imported_at")
    def imported(self, server: ApiServer) -> SafeString | str:
        return ago_titled(server.imported_at) if server.imported_at else "–"

    @display(description=gettext_lazy("status"), ordering="is_active")
    def activity(self, server: ApiServer) -> SafeString:
        if not server.is_active:
            return badge_html("excluded", _("Off"))
        return badge_html("live", _("Active")) if server.verifies_tls else badge_html("stale", _("Unchecked TLS"))

    # -- The form ----------------------------------------------------------------------------------------------

    def choices(self) -> list[Choice]:
        return [Choice(kind, auth.label, auth.description, ICONS.get(kind, "key")) for kind, auth in AUTHS.items()]

    def kind_of(self, request: HttpRequest, obj: Any = None) -> str:
        """Of a server that is there, the address may name another sign-in, which its form then asks for."""
        asked = request.GET.get(self.kind_field, "")
        return asked if asked in AUTHS else super().kind_of(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = form_for(self.kind_of(request, obj), obj)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return fieldsets_for(self.kind_of(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("slug",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_missing = obj is not None and obj.auth_kind not in AUTHS
        return bool(super().has_change_permission(request, obj)) and not is_missing

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        server = kwargs.get("obj")
        if server is not None:
            context["auths"] = [(kind, auth.label) for kind, auth in AUTHS.items()]
            context["chosen_auth"] = self.kind_of(request, server)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not obj.verifies_tls:
            messages.warning(
                request,
                _("Certificates are not checked: whoever stands between can read and change everything, secrets too."),
            )

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url_of(obj, "import"))

    # -- Pages -------------------------------------------------------------------------------------------------

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("check", self.test_connection, "change", ("POST",)),
            ObjectPage("import", partial(import_page, self), "change", ("GET", "POST")),
            ObjectPage("review", partial(review_page, self), "change", ("GET", "POST")),
            ObjectPage("tools", self.tools_page),
        )

    def test_connection(self, request: HttpRequest, server: Any) -> HttpResponseBase:
        return JsonResponse({"detail": run_from_sync(api_calls.check(server))})

    def tools_page(self, request: HttpRequest, server: Any) -> HttpResponseBase:
        return HttpResponseRedirect(f"{reverse('admin:tools_app_apitool_changelist')}?server__id__exact={server.pk}")

    def goes_too(self, obj: Any) -> list[str]:
        count = obj.tools.count()
        return [ngettext("%(n)d API tool goes with it.", "%(n)d API tools go with it.", count) % {"n": count}]
