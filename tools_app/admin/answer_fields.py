"""Fields of the form of a RAG tool for what happens to its answers: fixed texts by language, and categories."""

from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.utils.translation import gettext_lazy

from magnet.admin.config_forms import LinesField
from magnet.admin.rows_field import Column, RowsField
from tools_app.models.answer_checks import LanguageText


def nothing_found_texts_field() -> RowsField:
    return RowsField(
        LanguageText,
        label=gettext_lazy("When nothing is found, by language"),
        columns=(
            Column("language", gettext_lazy("Language (de, fr …)")),
            Column("text", gettext_lazy("What is said"), "long"),
        ),
        add_label=gettext_lazy("Add a language"),
        help_text=gettext_lazy("Chosen by the language of the question. Any other language gets the text above."),
    )


def categories_field() -> LinesField:
    return LinesField(
        label=gettext_lazy("Categories"),
        required=False,
        help_text=gettext_lazy("One a line. The analysis chooses one of them."),
    )


ANSWER_FIELDS: dict[str, Callable[[], forms.Field]] = {
    "nothing_found_texts": nothing_found_texts_field,
    "categories": categories_field,
}
