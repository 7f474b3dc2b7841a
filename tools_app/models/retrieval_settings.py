"""The retrieval columns that every tool with sources shares."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class RetrievalSettings(models.Model):
    """How passages are found for a question. Scores run from 0 to 1, calibrated by embedding model."""

    class SearchMode(models.TextChoices):
        HYBRID = "hybrid", _("Meaning and words (best for most)")
        MEANING = "meaning", _("Meaning only")
        WORDS = "words", _("Words only")

    search_mode = models.CharField(_("search by"), max_length=20, choices=SearchMode.choices, default=SearchMode.HYBRID)
    passage_count = models.PositiveSmallIntegerField(
        _("passages"), default=5, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    context_tokens = models.PositiveIntegerField(
        _("room for passages (tokens)"),
        default=2_000,
        validators=[MinValueValidator(100), MaxValueValidator(200_000)],
        help_text=_("Passages beyond this budget are left out of the prompt."),
    )
    minimum_score = models.FloatField(
        _("minimum score"),
        # What has no word and next to no meaning in common with the question, under the built-in embeddings.
        default=0.1,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=_("Passages below it are dropped. 0 keeps everything that was found."),
    )

    class Meta:
        abstract = True
