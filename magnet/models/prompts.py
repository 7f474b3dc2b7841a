"""Prompt templates: what is said to a model, as an identity with versions."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from magnet.models.providers import AIModel
from magnet.models.versions import Version, Versioned, VersionedQuerySet


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

    objects: ClassVar[Any] = VersionedQuerySet.as_manager()

    class Meta:
        verbose_name = _("prompt template")
        verbose_name_plural = _("prompt templates")
        ordering = ["name"]
        permissions = [("publish_prompttemplate", _("Can publish prompt templates and undo it"))]


class PromptTemplateVersion(Version):
    SETTINGS = ("instructions", "prompt", "ai_model", "temperature", "max_output_tokens")

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
    max_output_tokens = models.PositiveIntegerField(
        _("longest answer (tokens)"), null=True, blank=True, validators=[MinValueValidator(1)]
    )

    class Meta(Version.Meta):
        verbose_name = _("version of a prompt template")
        verbose_name_plural = _("versions of prompt templates")
        constraints = [
            models.UniqueConstraint(fields=["identity", "number"], name="prompt_template_version_number_is_unique")
        ]
