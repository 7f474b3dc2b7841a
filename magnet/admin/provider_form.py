"""The form of a provider: its columns, its kind's Config as fields, and a key that is written and never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from magnet.admin.config_forms import CONFIG, REMOVE, SecretField, Section, config_from, form_fields
from magnet.models import Provider
from magnet.providers import provider_kind


class ProviderForm(forms.ModelForm):
    """Subclassed for each kind by `form_for`, which adds its fields."""

    kind_name = ""

    class Meta:
        model = Provider
        fields = ("name", "slug", "description", "base_url", "api_key_variable")

    @property
    def section(self) -> Section:
        return Section(CONFIG, provider_kind(self.kind_name).Config)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        kind = provider_kind(self.kind_name)
        provider = self.instance
        provider.kind = self.kind_name
        provider.options = config_from(self, self.section, stored=provider.options)
        if kind.needs_base_url and not cleaned.get("base_url"):
            self.add_error("base_url", _("This kind of provider has no usual address: enter it."))
        self._take_key(cleaned)
        return cleaned

    def _take_key(self, cleaned: dict[str, Any]) -> None:
        """A new key is stored. A new address wants its key: whoever may change it must not learn the old one."""
        key, variable = cleaned.get("api_key"), cleaned.get("api_key_variable")
        provider = self.instance
        if key == REMOVE:
            key, provider.encrypted_api_key = "", ""
        if key and variable:
            raise ValidationError(_("Enter a key or name an environment variable, not both."))
        if key:
            provider.set_api_key(key)
        elif variable:
            provider.encrypted_api_key = ""
        if provider.pk and "base_url" in self.changed_data and not key:
            self._refuse_the_old_key(variable)

    def _refuse_the_old_key(self, variable: str | None) -> None:
        if variable and "api_key_variable" not in self.changed_data:
            self.add_error("api_key_variable", _("The address is another one: empty this, save, and name it again."))
        elif self.instance.encrypted_api_key:
            self.add_error("api_key", _("The address is another one, so enter the key for it."))


def form_for(kind: str, provider: Provider | None) -> type[ProviderForm]:
    section = Section(CONFIG, provider_kind(kind).Config)
    fields: dict[str, Any] = dict(form_fields(section, stored=provider.options if provider else {}))
    fields["api_key"] = SecretField(
        is_set=bool(provider and provider.encrypted_api_key),
        label=gettext_lazy("API key"),
        required=False,
        help_text=gettext_lazy("Stored encrypted, never shown again."),
    )
    return type("ProviderFormOfKind", (ProviderForm,), {**fields, "kind_name": kind})


def fieldsets_for(kind: str) -> list[tuple[Any, dict[str, Any]]]:
    provider = provider_kind(kind)
    groups: list[tuple[Any, dict[str, Any]]] = [(None, {"fields": ("name", "slug", "description", "is_active")})]
    if not provider.is_built_in:
        connection = ("base_url", "api_key", "api_key_variable")
        groups.append((_("Connection"), {"fields": connection, "description": provider.description}))
        limits = ("timeout_seconds", "max_concurrency", "requests_per_minute", "tokens_per_minute")
        groups.append((_("Limits"), {"fields": limits, "classes": ["collapse"]}))
    options = Section(CONFIG, provider.Config).names
    if options:
        groups.append((_("Options of this kind"), {"fields": options, "classes": ["collapse"]}))
    return groups
