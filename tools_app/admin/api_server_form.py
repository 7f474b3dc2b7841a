"""The form of an API server: its columns, the settings of its sign-in, and secrets that are written and never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from magnet.admin.config_forms import CONFIG, SECRETS, LinesField, Section, config_from, form_fields
from tools_app.api_auth import auth_kind
from tools_app.models import ApiServer

HEADERS = "header_lines"


class HeadersField(LinesField):
    """Headers as lines of a name and a text."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(f"{name}: {text}" for name, text in value.items()) if isinstance(value, dict) else value

    def clean(self, value: Any) -> dict[str, str]:
        headers = {}
        for line in super().clean(value):
            name, colon, text = line.partition(":")
            if not colon or not name.strip():
                raise forms.ValidationError(_("Write each header as “Name: text”."))
            headers[name.strip()] = text.strip()
        return headers


class ApiServerForm(forms.ModelForm):
    """Subclassed for each kind of sign-in by `form_for`, which adds its fields."""

    kind_name = ""

    class Meta:
        model = ApiServer
        fields = ("name", "slug", "description", "tags", "base_url", "document_url")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        server, kind = self.instance, auth_kind(self.kind_name)
        is_same = server.auth_kind == self.kind_name
        config = config_from(self, Section(CONFIG, kind.Config), stored=server.auth_config if is_same else {})
        wanted = {"auth_kind": self.kind_name, "auth_config": config, "base_url": cleaned.get("base_url") or ""}
        # Whoever changes where they go must enter the secrets once more.
        stored = {} if server.leads_elsewhere(wanted) else server.secrets
        found = config_from(self, Section(SECRETS, kind.Secrets), stored=stored)
        server.auth_kind, server.auth_config = self.kind_name, config
        server.headers = cleaned.get(HEADERS, server.headers)
        server.set_secrets(found if any(found.values()) else {})
        return cleaned

    def _update_errors(self, errors: Any) -> None:
        """The model proves columns of which the form has only the parts; what it finds is told above the form."""
        hidden = [errors.error_dict.pop(name, []) for name in ("auth_config", "headers", "auth_kind")]
        if any(hidden) and not self.errors:
            errors.error_dict.setdefault(NON_FIELD_ERRORS, []).extend(error for group in hidden for error in group)
        if errors.error_dict:
            super()._update_errors(errors)  # type: ignore[misc]  # Django's own hook, which the stubs leave out


def form_for(kind: str, server: ApiServer | None) -> type[ApiServerForm]:
    is_same = server is not None and server.auth_kind == kind
    config = Section(CONFIG, auth_kind(kind).Config)
    secrets = Section(SECRETS, auth_kind(kind).Secrets)
    fields: dict[str, Any] = dict(form_fields(config, stored=server.auth_config if server and is_same else {}))
    fields |= form_fields(secrets, stored=server.secrets if server and is_same else {})
    fields[HEADERS] = HeadersField(
        label=gettext_lazy("Headers"),
        required=False,
        initial=server.headers if server else {},
        help_text=gettext_lazy(
            "Sent with every call, such as “X-Tenant: riga”. Everybody who sees the server sees them."
        ),
    )
    return type("ApiServerFormOfKind", (ApiServerForm,), {**fields, "kind_name": kind})


def fieldsets_for(kind: str) -> list[tuple[Any, dict[str, Any]]]:
    auth = auth_kind(kind)
    sign_in = [*Section(CONFIG, auth.Config).names, *Section(SECRETS, auth.Secrets).names]
    groups: list[tuple[Any, dict[str, Any]]] = [
        (None, {"fields": ("name", "slug", "description", "base_url", "is_active")})
    ]
    if sign_in:
        note = _("Secrets are for this address: with another one, enter them again.")
        about = f"{auth.description} {note}".strip()
        groups.append((_("Sign-in: %s") % auth.label, {"fields": sign_in, "description": about}))
    safety = ("verifies_tls", "allows_private_addresses")
    limits = ("timeout_seconds", "max_response_kb")
    more = (HEADERS, *safety, *limits, "document_url", "tags")
    groups.append((_("Limits and safety"), {"fields": more, "classes": ["collapse"]}))
    return groups
