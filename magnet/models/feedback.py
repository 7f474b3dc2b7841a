"""What people think of an answer, and what a model found out about it afterwards; both stand on a trace."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from magnet.models.base import Timestamped
from magnet.models.traces import Trace

MOST_COMMENT_CHARACTERS = 5_000


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    def of_tool(self, feature: str, slug: str) -> FeedbackQuerySet:
        return self.filter(trace__feature=feature, trace__slug=slug)

    def counts(self) -> dict[str, int]:
        """How many like and dislike."""
        return self.aggregate(
            likes=Count("pk", filter=Q(rating=Feedback.Rating.LIKE)),
            dislikes=Count("pk", filter=Q(rating=Feedback.Rating.DISLIKE)),
        )


class Feedback(Timestamped):
    """One for each caller and trace; it may be changed. `person` is whom a caller acted for."""

    class Rating(models.TextChoices):
        LIKE = "like", _("Good")
        DISLIKE = "dislike", _("Not good")

    class Reason(models.TextChoices):
        WRONG = "wrong", _("It is wrong")
        INCOMPLETE = "incomplete", _("Something is missing")
        NOT_FOUND = "not_found", _("It should have found something")
        OUTDATED = "outdated", _("It is out of date")
        WRONG_SOURCE = "wrong_source", _("It cites the wrong place")
        UNCLEAR = "unclear", _("It is hard to understand")
        OTHER = "other", _("Something else")

    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="feedback", verbose_name=_("answer"))
    rating = models.CharField(_("rating"), max_length=20, choices=Rating.choices, blank=True)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason.choices, blank=True)
    comment = models.TextField(_("comment"), blank=True, max_length=MOST_COMMENT_CHARACTERS)
    is_copied = models.BooleanField(_("copied"), default=False)
    caller_type = models.CharField(max_length=20)
    caller_id = models.CharField(max_length=50)
    caller_label = models.CharField(_("by"), max_length=300, blank=True)
    person = models.CharField(_("on behalf of"), max_length=300, blank=True)

    objects: ClassVar[Any] = FeedbackQuerySet.as_manager()

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-updated_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["trace", "caller_type", "caller_id", "person"], name="feedback_is_one_for_each_caller_and_trace"
            )
        ]
        indexes = [models.Index(fields=["-updated_at"], name="feedback_by_time")]

    def __str__(self) -> str:
        return str(self.get_rating_display()) if self.rating else str(_("No rating"))


class Analysis(models.Model):
    """What was found out about an answer after it was given. Without a language model only its language and whether
    anything was found are known; `ai_model` is empty then.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    class Resolution(models.TextChoices):
        RESOLVED = "resolved", _("Resolved")
        PARTLY = "partly", _("Partly resolved")
        UNRESOLVED = "unresolved", _("Not resolved")

    trace = models.OneToOneField(Trace, on_delete=models.CASCADE, related_name="analysis", verbose_name=_("answer"))
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.RUNNING)
    attempts = models.PositiveSmallIntegerField(default=1)
    failure = models.TextField(_("failure"), blank=True)
    language = models.CharField(_("language"), max_length=20, blank=True)
    category = models.CharField(_("category"), max_length=100, blank=True)
    is_answered = models.BooleanField(_("answered"), null=True)
    resolution = models.CharField(_("resolution"), max_length=20, choices=Resolution.choices, blank=True)
    # What a model says of the answer's sentences, in the shape of the answer; null where none was asked.
    sentences = models.JSONField(_("sentences"), null=True, blank=True)
    ai_model = models.CharField(_("model"), max_length=100, blank=True)
    updated_at = models.DateTimeField(_("when"), auto_now=True)

    class Meta:
        verbose_name = _("analysis")
        verbose_name_plural = _("analyses")
        indexes = [models.Index(fields=["category"], name="analysis_by_category")]

    def __str__(self) -> str:
        return self.category or str(self.get_state_display())
