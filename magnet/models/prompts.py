"""Prompt templates: what is said to a model, as an identity with versions."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from pydantic import TypeAdapter
from pydantic import ValidationError as ShapeError

from magnet import json_schema
from magnet.errors import InvalidInput
from magnet.models.providers import AIModel
from magnet.models.versions import Version, Versioned, VersionedQuerySet
from magnet.prompt_parts import Example, Examples, Variable, Variables, variables_of
from magnet.shape_faults import sentence

MAX_STOPS = 4
SHAPES: dict[str, TypeAdapter[Any]] = {
    "variables": TypeAdapter(Variables),
    "examples": TypeAdapter(Examples),
    "stop": TypeAdapter(list[str]),
}


class PromptTemplate(Versioned):
    live = models.ForeignKey(
        "PromptTemplateVersion",
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    draft = models.ForeignKey(
        "PromptTemplateVersion",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )

    category = models.CharField(
        _("category"), max_length=100, blank=True, help_text=_("To find it again, such as “Support” or “Sales”.")
    )
    notes = models.TextField(_("notes"), blank=True, help_text=_("For colleagues; no model sees them."))

    objects: ClassVar[Any] = VersionedQuerySet.as_manager()

    class Meta:
        verbose_name = _("prompt template")
        verbose_name_plural = _("prompt templates")
        ordering = ["name"]
        permissions = [("publish_prompttemplate", _("Can publish prompt templates and undo it"))]


class PromptTemplateVersion(Version):
    """What is said, to whom, and how the answer has to look. Settings that a model does not have are not sent to it."""

    SETTINGS = (
        "instructions",
        "prompt",
        "variables",
        "examples",
        "ai_model",
        "temperature",
        "top_p",
        "reasoning_effort",
        "max_output_tokens",
        "stop",
        "response_format",
        "response_schema",
        "recording",
    )

    class ResponseFormat(models.TextChoices):
        TEXT = "text", _("Text")
        JSON = "json", _("JSON")
        SCHEMA = "schema", _("JSON that matches a schema")

    class Effort(models.TextChoices):
        LOW = "low", _("Low")
        MEDIUM = "medium", _("Medium")
        HIGH = "high", _("High")

    class Recording(models.TextChoices):
        NONE = "none", _("Nothing but figures")
        METADATA = "metadata", _("Figures and settings, no texts")
        FULL = "full", _("Everything")

    identity = models.ForeignKey(PromptTemplate, on_delete=models.CASCADE, related_name="versions")
    instructions = models.TextField(
        _("instructions"), blank=True, help_text=_("How the model should behave. Sent before the prompt.")
    )
    prompt = models.TextField(_("prompt"), help_text=_("Variables stand in braces, such as {question} and {passages}."))
    ai_model = models.ForeignKey(
        AIModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        limit_choices_to=Q(purpose="chat"),
        related_name="+",
        verbose_name=_("model"),
        help_text=_("Empty: the default chat model."),
    )
    temperature = models.FloatField(
        _("temperature"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(2)],
        help_text=_("Empty: the model's own default. Lower is more predictable."),
    )
    top_p = models.FloatField(
        _("top p"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=_("Empty: the model's own default. Set this or the temperature, not both."),
    )
    reasoning_effort = models.CharField(
        _("reasoning effort"),
        max_length=20,
        choices=Effort.choices,
        blank=True,
        help_text=_("Empty: the model's own default."),
    )
    max_output_tokens = models.PositiveIntegerField(
        _("longest answer (tokens)"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    # Texts at which the model stops writing.
    stop = models.JSONField(_("stop at"), default=list, blank=True)
    # Lists of prompt_parts.Variable and prompt_parts.Example.
    variables = models.JSONField(_("variables"), default=list, blank=True)
    examples = models.JSONField(_("examples"), default=list, blank=True)
    response_format = models.CharField(
        _("answer as"), max_length=20, choices=ResponseFormat.choices, default=ResponseFormat.TEXT
    )
    response_schema: Any = models.JSONField(_("JSON schema of the answer"), null=True, blank=True)
    recording = models.CharField(
        _("what traces keep"),
        max_length=20,
        choices=Recording.choices,
        default=Recording.FULL,
        help_text=_("The least of this and of what the caller allows is kept."),
    )

    class Meta(Version.Meta):
        verbose_name = _("version of a prompt template")
        verbose_name_plural = _("versions of prompt templates")
        constraints = [
            models.UniqueConstraint(fields=["identity", "number"], name="prompt_template_version_number_is_unique")
        ]

    def clean(self) -> None:
        faults = {name: fault for name in SHAPES if (fault := self._fault_in(name))}
        if "stop" not in faults and len(self.stop) > MAX_STOPS:
            faults["stop"] = _("At most %(n)d texts.") % {"n": MAX_STOPS}
        if self.response_format == self.ResponseFormat.SCHEMA:
            faults |= self._faults_in_schema()
        if faults:
            raise ValidationError(faults)

    def _fault_in(self, name: str) -> str:
        try:
            value = SHAPES[name].validate_python(getattr(self, name))
        except ShapeError as error:
            fault = error.errors(include_url=False)[0]
            where = ", ".join(str(part + 1) if isinstance(part, int) else str(part) for part in fault["loc"])
            return f"{where}: {sentence(fault)}" if where else sentence(fault)
        plain = SHAPES[name].dump_python(value, mode="json", exclude_defaults=True)
        setattr(self, name, plain)
        return ""

    def _faults_in_schema(self) -> dict[str, Any]:
        if not self.response_schema:
            return {"response_schema": _("Write the schema that the answer has to match.")}
        try:
            json_schema.check_schema(self.response_schema)
        except InvalidInput as error:
            return {"response_schema": error.detail}
        return {}

    def declared(self) -> list[Variable]:
        """The declared variables, and those that stand in the texts without a declaration: texts that must be given."""
        declared = SHAPES["variables"].validate_python(self.variables)
        known = {variable.name for variable in declared}
        mentioned = variables_of("\n".join((self.instructions, self.prompt)))
        return [*declared, *(Variable(name=name) for name in sorted(mentioned - known))]

    def shown_examples(self) -> list[Example]:
        return list(SHAPES["examples"].validate_python(self.examples))


class PromptTestInput(models.Model):
    """Values for the variables of a template, kept under a name to try each new version with."""

    template = models.ForeignKey(PromptTemplate, on_delete=models.CASCADE, related_name="test_inputs")
    name = models.CharField(_("name"), max_length=200)
    values = models.JSONField(_("values"), default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name = _("test input")
        verbose_name_plural = _("test inputs")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["template", "name"], name="test_input_name_is_unique")]

    def __str__(self) -> str:
        return self.name
