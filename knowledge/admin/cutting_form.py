"""The choice of a chunker in the form of a source: each kind in plain words, and the settings of the chosen one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminRadioSelectWidget

from knowledge.chunkers import CHUNKERS, chunker_kind
from knowledge.models import KnowledgeSource
from magnet.admin.config_forms import Section, config_from, form_fields

CHUNKER = "chunker"
DEFAULT_CHUNKER = "paragraphs"


class KindsWidget(UnfoldAdminRadioSelectWidget):
    option_template_name = "knowledge/chunker_option.html"


def section_of(kind: str) -> Section:
    # A name that the script of the page can use, whatever a plug-in calls its kind.
    return Section(f"{CHUNKER}_{re.sub(r'[^0-9A-Za-z]', '_', kind)}", chunker_kind(kind).Config)


def cutting_fields(source: KnowledgeSource | None) -> dict[str, forms.Field]:
    """The choice, and the settings of every kind: those of the chosen one as they are stored."""
    chosen = source.chunker if source else DEFAULT_CHUNKER
    fields: dict[str, forms.Field] = {CHUNKER: _choice(chosen)}
    for kind in CHUNKERS:
        stored = source.chunker_config if source and kind == chosen else {}
        fields |= form_fields(section_of(kind), stored=stored)
    return fields


def cutting_names() -> list[str]:
    return [CHUNKER, *(name for kind in CHUNKERS for name in section_of(kind).names)]


def shown_when_chosen() -> dict[str, str]:
    """The settings of a kind stand on the page while it is chosen: what unfold asks for as `conditional_fields`."""
    return {name: f"{CHUNKER} == '{kind}'" for kind in CHUNKERS for name in section_of(kind).names}


def forgive_other_kinds(form: forms.BaseForm, *, chosen: str) -> None:
    """What stands in the hidden settings of other kinds is nobody's mistake."""
    for kind in CHUNKERS:
        for name in section_of(kind).names if kind != chosen else ():
            form.errors.pop(name, None)


def chosen_settings(form: forms.BaseForm, source: KnowledgeSource) -> tuple[str, dict[str, Any]]:
    """The chunker and its Config as JSON; what does not fit becomes an error of its field."""
    kind = str(form.cleaned_data.get(CHUNKER) or source.chunker)
    stored: Mapping[str, Any] = source.chunker_config if kind == source.chunker else {}
    forgive_other_kinds(form, chosen=kind)
    if kind not in CHUNKERS:
        # Its plug-in is gone; its settings are kept for when it is back.
        return kind, dict(stored)
    return kind, config_from(form, section_of(kind), stored=stored)


def _choice(chosen: str) -> forms.ChoiceField:
    kinds = dict.fromkeys([*CHUNKERS, chosen])
    said = [
        (kind, format_html("<b>{}</b> <span>{}</span>", chunker_kind(kind).label, chunker_kind(kind).description))
        for kind in kinds
    ]
    return forms.ChoiceField(
        label=gettext_lazy("How texts are cut"), choices=said, initial=chosen, required=False, widget=KindsWidget()
    )
