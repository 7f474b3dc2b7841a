"""The form of an MCP server: its address and sign-in, or its command; secrets are written and never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from magnet.admin.config_forms import CONFIG, SECRETS, Section, config_from, form_fields
from tools_app.admin.api_server_form import HEADERS, HeadersField
from tools_app.api_auth import auth_kind
from tools_app.mcp_transports import transport_kind
from tools_app.models import McpServer

# The settings of the sign-in stand beside those of the way.
SIGN_IN = "sign_in"
BEHIND_THE_FORM = ("config", "auth_config", "headers", "auth_kind", "transport")


class McpServerForm(forms.ModelForm):
    """Subclassed for each way and sign-in by `form_for`, which adds its fields."""

    transport_name = ""
    auth_name = ""

    class Meta:
        model = McpServer
        fields = ("name", "slug", "description", "tags")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        server = self.instance
        shapes = sections(self.transport_name, self.auth_name)
        config = config_from(self, shapes[CONFIG], stored=server.config)
        auth_config = config_from(self, shapes[SIGN_IN], stored=server.auth_config)
        wanted = {"transport": self.transport_name, "config": config, "auth_kind": self.auth_name}
        wanted |= {"auth_config": auth_config, "url": cleaned.get("url") or ""}
        # Whoever changes where they go must enter the secrets once more.
        stored = {} if server.leads_elsewhere(wanted) else server.secrets
        found = config_from(self, shapes[SECRETS], stored=stored)
        for name, value in wanted.items():
            setattr(server, name, value)
        server.headers = cleaned.get(HEADERS, server.headers)
        server.set_secrets(found if any(found.values()) else {})
        return cleaned

    def _update_errors(self, errors: Any) -> None:
        """The model proves columns of which the form has only the parts; what it finds is told above the form."""
        hidden = [errors.error_dict.pop(name, []) for name in BEHIND_THE_FORM]
        if any(hidden) and not self.errors:
            errors.error_dict.setdefault(NON_FIELD_ERRORS, []).extend(error for group in hidden for error in group)
        if errors.error_dict:
            super()._update_errors(errors)  # type: ignore[misc]  # Django's own hook, which the stubs leave out


def sections(transport: str, auth: str) -> dict[str, Section]:
    way, sign_in = transport_kind(transport), auth_kind(auth)
    return {
        CONFIG: Section(CONFIG, way.Config),
        SIGN_IN: Section(SIGN_IN, sign_in.Config),
        SECRETS: Section(SECRETS, sign_in.Secrets if way.has_address else way.Secrets),
    }


def form_for(transport: str, auth: str, server: McpServer | None) -> type[McpServerForm]:
    is_same = server is not None and server.auth_kind == auth
    shapes = sections(transport, auth)
    fields: dict[str, Any] = dict(form_fields(shapes[CONFIG], stored=server.config if server else {}))
    fields |= form_fields(shapes[SIGN_IN], stored=server.auth_config if server and is_same else {})
    fields |= form_fields(shapes[SECRETS], stored=server.secrets if server and is_same else {})
    if transport_kind(transport).has_address:
        fields[HEADERS] = HeadersField(
            label=gettext_lazy("Headers"),
            required=False,
            initial=server.headers if server else {},
            help_text=gettext_lazy("Sent with every request. Everybody who sees the server sees them."),
        )
    return type("McpServerFormOfWay", (McpServerForm,), {**fields, "transport_name": transport, "auth_name": auth})


def fieldsets_for(transport: str, auth: str) -> list[tuple[Any, dict[str, Any]]]:
    way, sign_in, shapes = transport_kind(transport), auth_kind(auth), sections(transport, auth)
    if not way.has_address:
        command = [*shapes[CONFIG].names, *shapes[SECRETS].names]
        note = _("The secret is for this very command: with another one, enter it again.")
        return [
            (None, {"fields": ("name", "slug", "description", "is_active")}),
            (_("Command"), {"fields": command, "description": note}),
            (_("Limits"), {"fields": ("timeout_seconds", "max_response_kb", "tags"), "classes": ["collapse"]}),
        ]
    groups: list[tuple[Any, dict[str, Any]]] = [(None, {"fields": ("name", "slug", "description", "url", "is_active")})]
    if signed := [*shapes[SIGN_IN].names, *shapes[SECRETS].names]:
        note = _("Secrets are for this address: with another one, enter them again.")
        about = f"{sign_in.description} {note}".strip()
        groups.append((_("Sign-in: %s") % sign_in.label, {"fields": signed, "description": about}))
    more = (HEADERS, "verifies_tls", "allows_private_addresses", "timeout_seconds", "max_response_kb", "tags")
    groups.append((_("Limits and safety"), {"fields": more, "classes": ["collapse"]}))
    return groups
