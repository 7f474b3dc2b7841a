"""API tools in the admin: what a model is told, the arguments as a table, and “Try it” with fields made from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from magnet.admin.base import MagnetAdmin
from magnet.admin.config_forms import LinesField
from magnet.admin.menu import TOOLS, MenuEntry
from magnet.templatetags.magnet_admin import badge_html
from tools_app.admin.arguments_table import ArgumentsField, Table, plain, rows_of
from tools_app.admin.importing import label
from tools_app.models import ApiTool
from tools_app.openapi.arguments import FORM, JSON, MULTIPART

LIST = "admin:tools_app_apitool_changelist"
ANY_TRACE = "00000000-0000-0000-0000-000000000000"
BODY_TYPES = (
    ("", gettext_lazy("JSON")),
    (JSON, "JSON (application/json)"),
    (FORM, gettext_lazy("a form")),
    (MULTIPART, gettext_lazy("a form with parts")),
    ("text/plain", gettext_lazy("text")),
)


class ApiToolForm(forms.ModelForm):
    """`table` stands for the columns `arguments` and `places`."""

    class Meta:
        model = ApiTool
        fields = (
            "name", "slug", "server", "description", "tags", "method", "path", "body_type", "response_fields",
            "mock_response", "is_mocked", "is_enabled",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        table = cleaned.get("table")
        if isinstance(table, Table):
            self.instance.arguments, self.instance.places = table.schema, table.places
        for name in ("description", "mock_response"):
            # Browsers send other ends of lines; that alone is no edit.
            if plain(cleaned.get(name) or "") == plain(getattr(self.instance, name)):
                cleaned[name] = getattr(self.instance, name)
        return cleaned

    def _update_errors(self, errors: Any) -> None:
        """The model proves the columns behind the table; what it finds stands at the table."""
        for column in ("arguments", "places"):
            if found := errors.error_dict.pop(column, []):
                errors.error_dict.setdefault("table", []).extend(found)
        if errors.error_dict:
            super()._update_errors(errors)  # type: ignore[misc]  # Django's own hook, which the stubs leave out


def form_for(tool: ApiTool | None) -> type[ApiToolForm]:
    before = Table(tool.arguments, tool.places) if tool else Table({}, {})
    others = [(tool.body_type, tool.body_type)] if tool and tool.body_type not in dict(BODY_TYPES) else []
    fields = {
        "table": ArgumentsField(before=before, label=gettext_lazy("Arguments")),
        "response_fields": LinesField(
            label=gettext_lazy("Fields of the answer"),
            required=False,
            help_text=gettext_lazy("Only these are kept, such as items.name. Empty: all of them."),
        ),
        "body_type": forms.ChoiceField(
            label=gettext_lazy("Body written as"),
            choices=[*BODY_TYPES, *others],
            required=False,
            widget=UnfoldAdminSelectWidget(),
        ),
    }
    return type("ApiToolFormOfTool", (ApiToolForm,), fields)


@admin.register(ApiTool)
class ApiToolAdmin(MagnetAdmin):
    menu = [MenuEntry(TOOLS, 5, gettext_lazy("API tools"), "api", LIST)]
    empty_icon = "api"
    empty_text = gettext_lazy(
        "An API tool is one call of another system that agents may make. Import them from an OpenAPI document on the "
        "page of an API server, or add one by hand."
    )
    list_display = ("name", "call", "server", "state", "edits")
    list_filter = ("server", "method", "is_enabled", "tags")
    search_fields = ("name", "slug", "description", "path", "operation")
    list_select_related = ("server",)
    change_form_after_template = "tools_app/api_tool_after.html"
    made_by_form = ("arguments", "places")
    fieldsets = (
        (None, {"fields": ("name", "slug", "server", "description", "is_enabled")}),
        (gettext_lazy("The call"), {"fields": (("method", "path"), "table", "body_type")}),
        (gettext_lazy("The answer"), {"fields": ("response_fields", "mock_response", "is_mocked")}),
        (gettext_lazy("More"), {"fields": ("tags",), "classes": ["collapse"]}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("server")

    @display(description=gettext_lazy("call"), ordering="path")
    def call(self, tool: ApiTool) -> str:
        return f"{tool.method} {tool.path}"

    @display(description=gettext_lazy("status"), ordering="is_enabled")
    def state(self, tool: ApiTool) -> SafeString:
        if tool.gone_at is not None:
            return badge_html("stale", _("Gone from its document"))
        if not tool.is_enabled:
            return badge_html("excluded", _("Off"))
        return badge_html("pending", _("Answers with its example")) if tool.is_mocked else badge_html("live", _("On"))

    @display(description=gettext_lazy("edited"))
    def edits(self, tool: ApiTool) -> str:
        return ", ".join(label(name) for name in tool.edited) or "–"

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = form_for(obj)
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("slug", "server") if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        tool = kwargs.get("obj")
        if tool is not None:
            context |= {
                "run_url": f"/api/api-tools/{tool.slug}/run",
                "trace_url": reverse("admin:magnet_trace_change", args=[ANY_TRACE]),
                "try_fields": try_fields(tool.arguments),
                "as_json": json.dumps(
                    {"arguments": tool.arguments, "places": tool.places}, ensure_ascii=False, indent=2
                ),
                "may_run": request.user.has_perm("tools_app.run_apitool"),
            }
        return super().render_change_form(request, context, *args, **kwargs)


def try_fields(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of “Try it”: a list where there are choices, else by type; objects and lists as JSON."""
    properties = schema.get("properties", {})
    return [
        {
            "name": row.name,
            "type": row.type or "any",
            "description": row.description,
            "is_required": row.is_required,
            "choices": choices_of(properties[row.name]),
        }
        for row in rows_of(Table(schema, {}))
    ]


def choices_of(schema: Any) -> list[tuple[str, str]]:
    """Value as JSON, and as people read it."""
    if not isinstance(schema, dict):
        return []
    values = [True, False] if schema.get("type") == "boolean" else schema.get("enum", [])
    return [(json.dumps(value), str(value)) for value in values if value is not None]
