"""The form of an identity with versions: its own columns, and the settings of the draft as further fields."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models.expressions import DatabaseDefault
from django.utils.translation import gettext as _

from magnet.models.versions import Version, Versioned


class VersionedForm(forms.ModelForm):
    """Subclassed by VersionedAdmin, which adds the fields of the settings and names them in `setting_names`."""

    setting_names: tuple[str, ...] = ()
    seen_revision = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown = self.shown_version()
        if shown is not None:
            for name, value in self.settings_of(shown).items():
                if name in self.fields:
                    self.initial.setdefault(name, value)
        self.initial["seen_revision"] = self.instance.revision

    def shown_version(self) -> Version | None:
        """The draft, or what is live while there is none."""
        identity: Versioned = self.instance
        return (identity.draft or identity.live) if identity.pk else None

    def settings_of(self, version: Version) -> dict[str, Any]:
        return {name: getattr(version, name) for name in version.SETTINGS}

    @property
    def changed_settings(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.setting_names if name in self.changed_data}

    @property
    def settings(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.setting_names if name in self.cleaned_data}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.instance.pk:
            self._refuse_a_stale_draft(cleaned.get("seen_revision"))
        self._prove_settings()
        return cleaned

    def telling_fields(self) -> list[str]:
        """Those that a person should see although their group is closed: what was set, and what does not fit."""
        shown = self.shown_version()
        usual = type(shown)() if shown is not None else None
        columns = [name for name in self.setting_names if shown is not None and name in shown.SETTINGS]
        return [*(name for name in columns if _is_set(getattr(shown, name), getattr(usual, name))), *self.errors]

    def _refuse_a_stale_draft(self, revision: int | None) -> None:
        draft = self.instance.draft
        if revision is not None and revision != self.instance.revision:
            who = draft.author if draft else _("Somebody")
            raise ValidationError(
                _(
                    "The draft has changed since you opened this page (last by %(who)s). Your entries are still "
                    "below: copy what you need, reload the page, and enter it again."
                )
                % {"who": who or _("somebody")}
            )

    def _prove_settings(self) -> None:
        """What the version itself refuses, each column alone and together, said beside their fields."""
        shape = self.instance.version_model()
        columns = {field.name for field in shape._meta.concrete_fields}
        trial = shape(**{name: value for name, value in self.settings.items() if name in columns})
        for prove in (lambda: trial.clean_fields(exclude=columns - set(self.settings)), trial.clean):
            try:
                prove()
            except ValidationError as error:
                self._tell(error)

    def _tell(self, error: ValidationError) -> None:
        for name, problems in error.error_dict.items():
            if name not in self.errors:
                self.add_error(name if name in self.fields else None, problems)  # type: ignore[arg-type]  # a list fits


def _is_set(value: Any, usual: Any) -> bool:
    """What only the database has a default for is set when it is not empty."""
    return bool(value) if isinstance(usual, DatabaseDefault) else value != usual
