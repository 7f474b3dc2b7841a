"""The form of a knowledge source: its own columns, and the Configs of its connector and its chunker as fields."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from knowledge.admin.cutting_form import chosen_settings, cutting_fields, cutting_names
from knowledge.admin.mapping_form import MAPPING, MappingField
from knowledge.connectors import connector_kind
from knowledge.connectors.base import MissingConnector
from knowledge.models import KnowledgeSource
from magnet.admin.config_forms import CONFIG, SECRETS, Section, config_from, form_fields
from magnet.encryption import decrypt
from magnet.models import AIModel
from magnet.providers import PROVIDERS


class SourceForm(forms.ModelForm):
    """Subclassed for each connector by `form_for`, which adds its fields."""

    connector_kind = ""
    sections: tuple[Section, ...] = ()
    stored_secrets: dict[str, Any] = {}

    class Meta:
        model = KnowledgeSource
        fields = (
            "name",
            "slug",
            "description",
            "tags",
            "schedule",
            "cron",
            "time_zone",
            "embedding_model",
            "context_model",
            "language",
            "metadata_fields",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk and "embedding_model" in self.fields:
            model = AIModel.objects.for_use().filter(purpose=AIModel.Purpose.EMBEDDING, is_default=True).first()
            self.initial.setdefault("embedding_model", model.pk if model else None)
        writer = self.fields.get("context_model")
        if isinstance(writer, forms.ModelChoiceField):
            writer.queryset, writer.empty_label = writers(), _("None")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        source = self.instance
        source.connector = self.connector_kind
        stored = {CONFIG: source.config, SECRETS: self.stored_secrets}
        found: dict[str, dict[str, Any]] = {}
        for section in self.sections:
            found[section.prefix] = config_from(self, section, stored=stored[section.prefix])
            if section.prefix == CONFIG and source.leads_elsewhere(found[CONFIG]):
                stored[SECRETS] = {}
        source.config = found[CONFIG]
        cleaned["chunker"], source.chunker_config = chosen_settings(self, source)
        if found[SECRETS]:
            source.set_secrets(found[SECRETS])
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """The form's own field has proved the chunker, also one whose plug-in is gone."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # as below
        return excluded | {"chunker"}

    def _update_errors(self, errors: Any) -> None:
        """The model proves the Configs once more; their errors stand beside their own fields already."""
        hidden = [errors.error_dict.pop(name, []) for name in ("config", "chunker_config")]
        if any(hidden) and not self.errors:
            errors.error_dict.setdefault(NON_FIELD_ERRORS, []).extend(error for group in hidden for error in group)
        if errors.error_dict:
            super()._update_errors(errors)  # type: ignore[misc]  # Django's own hook, which the stubs leave out


def writers() -> Any:
    """Chat models that generate; the built-in answerer only quotes."""
    built_in = [kind for kind, provider in PROVIDERS.items() if provider.is_built_in]
    return AIModel.objects.filter(purpose=AIModel.Purpose.CHAT).exclude(provider__kind__in=built_in)


def form_for(kind: str, source: KnowledgeSource | None) -> type[SourceForm]:
    """The form of a source with this connector, with the fields of its Configs."""
    secrets = (decrypt(source.encrypted_secrets) or {}) if source else {}
    sections = (
        Section(CONFIG, connector_kind(kind).Config),
        Section(SECRETS, connector_kind(kind).Secrets),
    )
    stored = {CONFIG: source.config if source else {}, SECRETS: secrets}
    fields: dict[str, Any] = cutting_fields(source)
    for section in sections:
        fields |= form_fields(section, stored=stored[section.prefix])
    fields["time_zone"] = time_zone_field()
    fields[MAPPING] = MappingField(source)
    extra = {"connector_kind": kind, "sections": sections, "stored_secrets": secrets}
    return type("SourceFormOfKind", (SourceForm,), {**fields, **extra})


def time_zone_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=[(zone, zone) for zone in sorted(available_timezones())],
        initial="UTC",
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )


def fieldsets_for(kind: str, *, is_indexed: bool) -> list[tuple[Any, dict[str, Any]]]:
    """What stands on the form of a source with this connector, in groups; `is_indexed` once documents are."""
    connector = connector_kind(kind)
    connection = Section(CONFIG, connector.Config).names
    secrets = Section(SECRETS, connector.Secrets).names
    groups: list[tuple[Any, dict[str, Any]]] = [(None, {"fields": ("name", "slug", "description")})]
    if connection or connector is MissingConnector:
        groups.append((connector.label, {"fields": connection, "description": connector.description}))
    if secrets:
        note = _("They are for this address: with another one, enter them again.")
        classes = [] if connector.needs_sign_in else ["collapse"]
        title = _("Sign-in") if connector.needs_sign_in else _("Sign-in, where the source asks for it")
        groups.append((title, {"fields": secrets, "classes": classes, "description": note}))
    if not connector.is_pushed:
        clock = ("schedule", "cron", "time_zone", "deletion_guard_percent")
        groups.append((_("Looking for changes"), {"fields": clock}))
    reading = ["embedding_model", "language", *cutting_names(), "context_model", "tags"]
    offered = _("Documents are indexed: another model, language or cut takes a re-index, under the tab “Index”.")
    note = offered if is_indexed else ""
    groups.append((_("Reading and finding"), {"fields": reading, "classes": ["collapse"], "description": note}))
    cheap = _(
        "Dates, numbers and lists can be compared once they are named here. Other rows take a re-index, in which all "
        "vectors are used again."
    )
    groups.append((_("Metadata for filters"), {"fields": [MAPPING], "classes": ["collapse"], "description": cheap}))
    return groups
