"""What was found out about a conversation when it had ended; people who know better may correct it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Conversation
from magnet.models import Analysis


class ConversationAnalysis(models.Model):
    """Without a language model only the language is known; `ai_model` is empty then."""

    class Sentiment(models.TextChoices):
        POSITIVE = "positive", _("Pleased")
        NEUTRAL = "neutral", _("Neutral")
        NEGATIVE = "negative", _("Displeased")

    State = Analysis.State
    Resolution = Analysis.Resolution

    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, related_name="analysis", verbose_name=_("conversation")
    )
    state = models.CharField(_("state"), max_length=20, choices=Analysis.State.choices, default=Analysis.State.RUNNING)
    attempts = models.PositiveSmallIntegerField(default=1, editable=False)
    failure = models.TextField(_("failure"), blank=True)
    summary = models.TextField(_("summary"), blank=True)
    language = models.CharField(_("language"), max_length=20, blank=True)
    category = models.CharField(_("what it was about"), max_length=100, blank=True)
    sentiment = models.CharField(_("sentiment"), max_length=20, choices=Sentiment.choices, blank=True)
    resolution = models.CharField(_("resolution"), max_length=20, choices=Analysis.Resolution.choices, blank=True)
    ai_model = models.CharField(_("model"), max_length=100, blank=True)
    edited_by = models.CharField(_("corrected by"), max_length=300, blank=True)
    updated_at = models.DateTimeField(_("when"), auto_now=True)

    class Meta:
        verbose_name = _("analysis of a conversation")
        verbose_name_plural = _("analyses of conversations")
        indexes = [
            models.Index(fields=["category"], name="conversation_by_category"),
            models.Index(fields=["state", "updated_at"], name="conversation_analysis_by_state"),
        ]

    def __str__(self) -> str:
        return self.category or str(self.get_state_display())
