"""The form of a prompt template: variables, examples and the fields of a JSON answer as rows, nothing as raw JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy
from unfold import widgets

from magnet.admin.config_forms import LinesField
from magnet.admin.rows_field import Column, RowsField, choices_of
from magnet.admin.version_form import VersionedForm
from magnet.answer_schema import AnswerField, FieldType, fields_of, schema_of
from magnet.models import AIModel
from magnet.prompt_parts import Example, Variable, VariableType

VARIABLE_TYPES = {
    "text": gettext_lazy("Text"),
    "number": gettext_lazy("Number"),
    "boolean": gettext_lazy("Yes or no"),
    "list": gettext_lazy("List of texts"),
    "image": gettext_lazy("Image"),
}
FIELD_TYPES = {
    "string": gettext_lazy("Text"),
    "number": gettext_lazy("Number"),
    "integer": gettext_lazy("Whole number"),
    "boolean": gettext_lazy("Yes or no"),
    "list": gettext_lazy("List of texts"),
}
OPTIONAL = gettext_lazy("May be left out")


def variables_field() -> RowsField:
    return RowsField(
        Variable,
        label=gettext_lazy("Variables"),
        columns=(
            Column("name", gettext_lazy("Name")),
            Column("type", gettext_lazy("Type"), "choice", choices_of(VariableType, VARIABLE_TYPES)),
            Column("description", gettext_lazy("What it is")),
            Column("default", gettext_lazy("If nobody gives one")),
            Column("example", gettext_lazy("Example")),
            Column("is_optional", OPTIONAL, "yes"),
        ),
        add_label=gettext_lazy("Add a variable"),
        help_text=gettext_lazy(
            "What stands in braces above. One that is not declared is a text that has to be given with every call."
        ),
    )


def examples_field() -> RowsField:
    return RowsField(
        Example,
        label=gettext_lazy("Examples"),
        columns=(
            Column("input", gettext_lazy("When this is said"), "long"),
            Column("output", gettext_lazy("… answer like this"), "long"),
        ),
        add_label=gettext_lazy("Add an example"),
        help_text=gettext_lazy("The model takes them as its pattern. A few good ones do more than long instructions."),
    )


def answer_field() -> RowsField:
    return RowsField(
        AnswerField,
        label=gettext_lazy("Fields of the answer"),
        columns=(
            Column("name", gettext_lazy("Name")),
            Column("type", gettext_lazy("Type"), "choice", choices_of(FieldType, FIELD_TYPES)),
            Column("description", gettext_lazy("What it is")),
            Column("choices", gettext_lazy("Only one of (by comma)")),
            Column("is_optional", OPTIONAL, "yes"),
        ),
        add_label=gettext_lazy("Add a field"),
        help_text=gettext_lazy("Each answer is checked against them. One that does not fit is asked for once more."),
    )


def written_schema_field() -> forms.JSONField:
    """For a schema that says more than rows can: somebody has written it, and may go on writing it."""
    return forms.JSONField(
        label=gettext_lazy("JSON schema of the answer"),
        required=False,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 12, "class": "font-mono"}),
        help_text=gettext_lazy("This schema says more than a table of fields can show, so it stands here as it is."),
    )


def stop_field() -> LinesField:
    return LinesField(
        label=gettext_lazy("Stop at"), required=False, help_text=gettext_lazy("The model stops where it writes this.")
    )


FIELDS = {
    "variables": variables_field,
    "examples": examples_field,
    "response_schema": answer_field,
    "stop": stop_field,
}


class PromptForm(VersionedForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version: Any = self.shown_version()
        if version is not None and "response_schema" in self.fields and fields_of(version.response_schema) is None:
            self.fields["response_schema"] = written_schema_field()
            self.initial["response_schema"] = version.response_schema

    def settings_of(self, version: Any) -> dict[str, Any]:
        settings = super().settings_of(version)
        declared = [each.model_dump(mode="json") for each in version.declared()]
        return {**settings, "variables": declared, "response_schema": fields_of(version.response_schema) or []}

    def clean_response_schema(self) -> Any:
        value = self.cleaned_data["response_schema"]
        return schema_of(value) if isinstance(self.fields["response_schema"], RowsField) else value


def shown_for_model() -> dict[str, str]:
    """Settings stand on the form while the chosen model has them; without a choice, while the default model does."""
    chat = AIModel.objects.filter(purpose=AIModel.Purpose.CHAT).select_related("provider")
    writing = [model for model in chat if model.can_write]
    takes_temperature = _is_chosen(model for model in writing if model.takes_temperature)
    return {
        "temperature": takes_temperature,
        "top_p": takes_temperature,
        "reasoning_effort": _is_chosen(model for model in writing if model.can_reason),
        "stop": _is_chosen(writing),
        "max_output_tokens": _is_chosen(writing),
        "response_schema": "response_format == 'schema'",
    }


def _is_chosen(models: Iterable[AIModel]) -> str:
    """As a condition in the page's script; nothing chosen stands for the default model."""
    values = [name for model in models for name in ((str(model.pk), "") if model.is_default else (str(model.pk),))]
    return f"{values}.includes(ai_model || '')"
