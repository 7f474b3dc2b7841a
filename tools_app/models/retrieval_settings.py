"""The retrieval columns that every tool with sources shares."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from pydantic import TypeAdapter
from pydantic import ValidationError as ShapeError

from knowledge.filter_language import parse
from magnet.errors import InvalidInput
from magnet.models import AIModel
from magnet.shape_faults import sentence
from tools_app.retrieval_parts import Boosts, FilterFields

# In the order in which the stages of a search use them.
RETRIEVAL_SETTINGS = (
    "search_mode",
    "passage_count",
    "context_tokens",
    "minimum_score",
    "rewrites_question",
    "query_count",
    "translates_question",
    "fixed_filter",
    "filter_fields",
    "source_boosts",
    "freshness_half_life_days",
    "freshness_field",
    "most_per_document",
    "rerank_model",
    "rerank_candidates",
    "rerank_top_n",
    "neighbour_count",
    "neighbour_tokens",
)


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
        help_text=_("Passages beyond this budget are left out."),
    )
    minimum_score = models.FloatField(
        _("minimum score"),
        # What has no word and next to no meaning in common with the question, under the built-in embeddings.
        default=0.1,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=_("Passages below it are dropped. 0 keeps everything that was found."),
    )

    # -- The question ----------------------------------------------------------------------------------------------

    rewrites_question = models.BooleanField(
        _("make a whole question of it"),
        default=False,
        db_default=False,
        help_text=_("In a conversation, a model adds what was said before. Needs a language model."),
    )
    query_count = models.PositiveSmallIntegerField(
        _("wordings to search with"),
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(5)],
        help_text=_("Above 1, a model writes the question in other words, too. Needs a language model."),
    )
    translates_question = models.BooleanField(
        _("translate the question"),
        default=False,
        db_default=False,
        help_text=_(
            "Where documents are in another language and their embedding model knows only one. Needs a language model."
        ),
    )

    # -- Which documents ---------------------------------------------------------------------------------------------

    fixed_filter = models.JSONField(
        _("only documents where"), default=dict, blank=True, db_default={}, help_text=_("All of these have to hold.")
    )
    filter_fields = models.JSONField(
        _("fields that a model may filter by"),
        default=list,
        blank=True,
        db_default=[],
        help_text=_("A model reads from the question which documents are meant. Empty: it does not."),
    )

    # -- What counts more --------------------------------------------------------------------------------------------

    source_boosts = models.JSONField(_("sources that count more or less"), default=list, blank=True, db_default=[])
    freshness_half_life_days = models.PositiveIntegerField(
        _("half as much after (days)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text=_("A passage of this age scores half as much as a new one. Empty: age does not matter."),
    )
    freshness_field = models.CharField(
        _("by the date in"),
        max_length=200,
        blank=True,
        db_default="",
        help_text=_("A date field of the metadata. Empty: when the document changed last."),
    )
    most_per_document = models.PositiveSmallIntegerField(
        _("at most of one document"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
        help_text=_("Empty: as many as fit best."),
    )

    # -- A second look -----------------------------------------------------------------------------------------------

    rerank_model = models.ForeignKey(
        AIModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        limit_choices_to=Q(purpose="rerank"),
        related_name="+",
        verbose_name=_("rerank with"),
        help_text=_("A model that reads question and passages together and puts them into a better order."),
    )
    rerank_candidates = models.PositiveSmallIntegerField(
        _("passages it reads"),
        default=30,
        db_default=30,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    rerank_top_n = models.PositiveSmallIntegerField(
        _("of which it keeps"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("Empty: as many as passages are wanted."),
    )
    neighbour_count = models.PositiveSmallIntegerField(
        _("what stands before and after"),
        default=0,
        db_default=0,
        validators=[MaxValueValidator(5)],
        help_text=_("So many chunks on each side of a passage are shown with it."),
    )
    neighbour_tokens = models.PositiveIntegerField(
        _("… within (tokens)"),
        default=1_000,
        db_default=1_000,
        validators=[MinValueValidator(50), MaxValueValidator(100_000)],
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        faults: dict[str, str] = {}
        for name, shape in (("source_boosts", Boosts), ("filter_fields", FilterFields)):
            try:
                TypeAdapter(shape).validate_python(getattr(self, name))
            except ShapeError as error:
                faults[name] = sentence(error.errors(include_url=False)[0])
        try:
            parse(self.fixed_filter)
        except InvalidInput as error:
            faults["fixed_filter"] = error.detail
        if self.rerank_model is not None and self.rerank_model.purpose != AIModel.Purpose.RERANK:
            faults["rerank_model"] = str(_("“%(name)s” is no model for reranking.") % {"name": self.rerank_model.name})
        if faults:
            raise ValidationError(dict[str, Any](faults))
