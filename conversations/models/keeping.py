"""For how long conversations are kept, and the proof that those of a person were erased."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Agent
from magnet.ids import uuid7
from magnet.models.base import Timestamped

MOST_DAYS = 36_500


class AgentRetention(Timestamped):
    """How long the conversations of one agent are kept; others follow the setting of the installation."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="retention", verbose_name=_("agent"))
    days = models.PositiveIntegerField(
        _("days"),
        validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)],
        help_text=_("Counted from the last message. A legal hold keeps a conversation longer."),
    )

    class Meta:
        verbose_name = _("retention of an agent")
        verbose_name_plural = _("retention of agents")
        ordering = ["agent__name"]

    def __str__(self) -> str:
        return f"{self.agent}: {self.days}"


class Erasure(models.Model):
    """The proof: a fingerprint of whose data it was, what went, and what a legal hold has kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(_("when"), default=timezone.now)
    fingerprint = models.CharField(_("fingerprint"), max_length=64, db_index=True)
    counts = models.JSONField(_("what went"), default=dict)
    held = models.PositiveIntegerField(_("kept by a legal hold"), default=0)
    actor_label = models.CharField(_("by"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.fingerprint[:12]}…"
