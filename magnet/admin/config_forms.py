"""Pydantic Configs as forms: each field of a Config is a real form field, and its errors come back to it."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from django import forms
from django.utils.translation import gettext as _
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from unfold import widgets

from magnet.shape_faults import sentence

CONFIG, SECRETS = "config", "secrets"
# What is typed into the field of a secret to remove the stored one.
REMOVE = "-"


@dataclass(frozen=True)
class Section:
    """One Config in a form: its fields are named `<prefix>__<field>`.

    Of a Config of secrets every text is written and never shown, whatever its type says.
    """

    prefix: str
    shape: type[BaseModel]

    def hides(self, info: FieldInfo) -> bool:
        kind, _is_optional = _unwrapped(info.annotation)
        return kind is SecretStr or (self.prefix == SECRETS and kind is str)

    def name_of(self, field: str) -> str:
        return f"{self.prefix}__{field}"

    @property
    def names(self) -> list[str]:
        return [self.name_of(field) for field in self.shape.model_fields]


class LinesField(forms.CharField):
    """A list of texts, one on each line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 2}), **options)
        self.help_text = f"{self.help_text} {_('One on each line.')}".strip()

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple | set) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(self.prepare_value(initial)) != self.to_python(data)


class SecretField(forms.CharField):
    """Write-only: never shown again, says only whether it is set; left empty it keeps what is stored."""

    def __init__(self, *, is_set: bool = False, **options: Any) -> None:
        self.is_set = is_set
        hint = _("Set. Leave empty to keep it, or enter a hyphen to remove it.") if is_set else _("Not set.")
        attrs = {"autocomplete": "new-password", "placeholder": "••••••••••••" if is_set else ""}
        options["help_text"] = f"{options.get('help_text') or ''} {hint}".strip()
        # A stored secret need not be typed again.
        options["required"] = bool(options.get("required")) and not is_set
        super().__init__(widget=widgets.UnfoldAdminPasswordWidget(attrs=attrs), strip=True, **options)


def form_fields(section: Section, *, stored: Mapping[str, Any]) -> dict[str, forms.Field]:
    """The form fields of a Config, filled with what is stored, else with its defaults."""
    return {
        section.name_of(name): _form_field(name, info, stored=stored, is_hidden=section.hides(info))
        for name, info in section.shape.model_fields.items()
    }


def _form_field(name: str, info: FieldInfo, *, stored: Mapping[str, Any], is_hidden: bool) -> forms.Field:
    kind, is_optional = _unwrapped(info.annotation)
    options: dict[str, Any] = {
        "label": info.title or name.replace("_", " ").capitalize(),
        "help_text": info.description or "",
        "required": info.is_required() and not is_optional,
    }
    if is_hidden:
        return SecretField(is_set=bool(stored.get(name)), **options)
    options["initial"] = stored.get(name, _default(info))
    if kind is bool:
        options["required"] = False
        return forms.BooleanField(widget=widgets.UnfoldBooleanSwitchWidget(), **options)
    if (choices := _choices(kind, said=_labels(info))) is not None:
        return _choice_field(choices, is_optional=is_optional, **options)
    if get_origin(kind) in (list, tuple, set, frozenset) or kind in (list, tuple, set):
        return LinesField(**options)
    if kind in (int, float, Decimal):
        return _number_field(kind, info, **options)
    return _text_field(info, **options)


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """The type behind Optional, and whether it was optional."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    members = [member for member in get_args(annotation) if member is not type(None)]
    return members[0], len(members) < len(get_args(annotation))


def _default(info: FieldInfo) -> Any:
    value = info.get_default(call_default_factory=True) if not info.is_required() else PydanticUndefined
    if value is PydanticUndefined:
        return None
    return value.value if isinstance(value, Enum) else value


def _labels(info: FieldInfo) -> Mapping[Any, str]:
    """What the choices of a Literal are called, where its Field says so: json_schema_extra={"labels": {…}}."""
    extra = info.json_schema_extra
    labels: Any = extra.get("labels") if isinstance(extra, dict) else None
    return labels if isinstance(labels, dict) else {}


def _choices(kind: Any, *, said: Mapping[Any, str]) -> list[tuple[Any, str]] | None:
    if get_origin(kind) is Literal:
        return [(value, said.get(value) or str(value).replace("_", " ").capitalize()) for value in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [(member.value, str(getattr(member, "label", member.name.replace("_", " ").lower()))) for member in kind]
    return None


def _choice_field(choices: list[tuple[Any, str]], *, is_optional: bool, **options: Any) -> forms.Field:
    if is_optional:
        choices = [("", "—"), *choices]
    return forms.ChoiceField(choices=choices, widget=widgets.UnfoldAdminSelectWidget(), **options)


def _number_field(kind: type, info: FieldInfo, **options: Any) -> forms.Field:
    limits = _limits(info)
    bounds: dict[str, Any] = {
        "min_value": limits.get("ge", limits.get("gt")),
        "max_value": limits.get("le", limits.get("lt")),
    }
    if kind is int:
        return forms.IntegerField(widget=widgets.UnfoldAdminIntegerFieldWidget(), **bounds, **options)
    field = forms.FloatField if kind is float else forms.DecimalField
    attrs = {"step": "any"}
    return field(widget=widgets.UnfoldAdminDecimalFieldWidget(attrs=attrs), **bounds, **options)  # type: ignore[no-any-return]  # a class of forms


def _text_field(info: FieldInfo, **options: Any) -> forms.Field:
    limits = _limits(info)
    if isinstance(options["initial"], Path):
        options["initial"] = str(options["initial"])
    is_long = limits.get("max_length", 0) > 500 or "\n" in str(options["initial"] or "")
    widget = widgets.UnfoldAdminTextareaWidget() if is_long else widgets.UnfoldAdminTextInputWidget()
    return forms.CharField(
        widget=widget, min_length=limits.get("min_length"), max_length=limits.get("max_length"), **options
    )


def _limits(info: FieldInfo) -> dict[str, Any]:
    """What Field(ge=…, max_length=…) said, by its name."""
    names = ("ge", "gt", "le", "lt", "min_length", "max_length")
    return {name: value for rule in info.metadata for name in names if (value := getattr(rule, name, None)) is not None}


def config_from(form: forms.BaseForm, section: Section, *, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The Config as JSON from a form's cleaned data; what does not fit becomes an error of its field.

    An empty secret keeps the stored one, a hyphen removes it; any other empty field falls back to the Config's default.
    """
    values: dict[str, Any] = {}
    for name, info in section.shape.model_fields.items():
        value = form.cleaned_data.get(section.name_of(name))
        if section.hides(info):
            value = None if value == REMOVE else value or stored.get(name)
        if value not in (None, "") or (value == "" and info.is_required()):
            values[name] = value
    try:
        return as_json(section.shape.model_validate(values))
    except ValidationError as error:
        _tell(form, section, error)
        return dict(stored)


def as_json(config: BaseModel) -> dict[str, Any]:
    """As `model_dump(mode="json")`, but with secrets in clear: the caller encrypts them."""
    values = config.model_dump(mode="json")
    for name in type(config).model_fields:
        secret = getattr(config, name)
        if isinstance(secret, SecretStr):
            values[name] = secret.get_secret_value()
    return values


def _tell(form: forms.BaseForm, section: Section, error: ValidationError) -> None:
    for problem in error.errors():
        name = section.name_of(str(problem["loc"][0])) if problem["loc"] else None
        form.add_error(name if name in form.fields else None, sentence(problem))


def rows(shape: type[BaseModel], stored: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each setting, for a page that only shows them; secrets only as set or not."""
    return [
        (info.title or name.replace("_", " ").capitalize(), _shown(info, stored.get(name, _default(info))))
        for name, info in shape.model_fields.items()
    ]


def _shown(info: FieldInfo, value: Any) -> str:
    if _unwrapped(info.annotation)[0] is SecretStr:
        return _("set") if value else _("not set")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list | tuple | set):
        return ", ".join(map(str, value)) or "–"
    return "–" if value in (None, "") else str(value)
