"""What was said, a row each, and what happened in each turn, event by event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Conversation
from magnet.ids import uuid7

# A turn whose process gave no sign of life for so long is closed by another.
SILENT = timedelta(seconds=30)
# More than any memory holds.
REMEMBERED = 200


class MessageQuerySet(models.QuerySet["Message"]):
    def at_work(self) -> MessageQuerySet:
        return self.filter(status__in=Message.AT_WORK)

    def unfinished(self) -> MessageQuerySet:
        return self.filter(status__in=Message.UNFINISHED)

    def to_remember(self, conversation: Conversation, *, before: int) -> MessageQuerySet:
        """What was said before this position and is not in the summary, newest first."""
        rows = self.filter(conversation=conversation, position__lt=before, position__gt=conversation.summarised_to)
        return rows.exclude(text="").order_by("-position")[:REMEMBERED]

    def abandoned(self) -> MessageQuerySet:
        """Turns whose process has died; by the clock of the database, because those of machines differ."""
        return self.at_work().filter(heartbeat_at__lt=Now() - SILENT)


class Message(models.Model):
    """A question, or the answer to it, which is the row of the turn."""

    class Role(models.TextChoices):
        USER = "user", _("Visitor")
        ASSISTANT = "assistant", _("Agent")

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        AWAITING_CONFIRMATION = "awaiting_confirmation", _("Waits for a confirmation")

    AT_WORK: ClassVar[tuple[str, ...]] = (Status.QUEUED, Status.RUNNING)
    UNFINISHED: ClassVar[tuple[str, ...]] = (*AT_WORK, Status.AWAITING_CONFIRMATION)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages", verbose_name=_("conversation")
    )
    position = models.PositiveIntegerField(_("position"))
    role = models.CharField(_("said by"), max_length=20, choices=Role.choices)
    status = models.CharField(_("status"), max_length=30, choices=Status.choices, default=Status.DONE)
    text = models.TextField(_("text"), blank=True)
    # Data URLs, as they were sent.
    images = models.JSONField(_("images"), default=list, blank=True)
    trace_id = models.UUIDField(_("trace"), null=True, blank=True)
    topic = models.CharField(_("topic"), max_length=100, blank=True)
    version = models.PositiveIntegerField(_("version"), null=True, blank=True)
    model = models.CharField(_("model"), max_length=100, blank=True)
    steps = models.JSONField(_("steps"), default=list, blank=True)
    passages = models.JSONField(_("passages"), default=list, blank=True)
    # Whose text stands in steps, passages and events, so that a deletion can blank them.
    documents = ArrayField(models.UUIDField(), default=list, blank=True, editable=False)
    is_blanked = models.BooleanField(
        _("texts removed"), default=False, help_text=_("A document in it was deleted, so its passages went with it.")
    )
    usage = models.JSONField(_("usage"), default=dict, blank=True)
    cost = models.DecimalField(_("cost (USD)"), max_digits=20, decimal_places=10, default=0)
    duration_ms = models.FloatField(_("duration (ms)"), default=0)
    stopped_by = models.CharField(_("stopped by"), max_length=20, blank=True)
    # Problem Details of what went wrong.
    failure = models.JSONField(_("failure"), null=True, blank=True)
    # What a process needs to go on after a confirmation.
    paused = models.JSONField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    # The process that carries the turn, and its last sign of life.
    holder = models.UUIDField(null=True, blank=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_cancelled = models.BooleanField(default=False, editable=False)

    # Not stored: its texts were taken out for whoever looks.
    is_hidden = False

    objects: ClassVar[Any] = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["conversation", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "position"], name="message_has_a_place_of_its_own_in_its_conversation"
            ),
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status__in=["queued", "running", "awaiting_confirmation"]),
                name="conversation_has_one_turn_at_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["heartbeat_at"], condition=Q(status__in=["queued", "running"]), name="turns_that_are_at_work"
            ),
            models.Index(fields=["trace_id"], name="message_by_trace"),
            models.Index(fields=["created_at"], name="message_by_time"),
            GinIndex(fields=["documents"], name="message_by_document"),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.position}"

    def hide(self) -> None:
        """Take out what may quote documents, for somebody who may not find them; it is not saved."""
        self.is_hidden, self.text = True, ""
        self.passages, self.steps = [], []

    @property
    def is_at_work(self) -> bool:
        return self.status in self.AT_WORK

    @property
    def is_unfinished(self) -> bool:
        return self.status in self.UNFINISHED


class TurnEvent(models.Model):
    """One event of a turn, numbered within its conversation: what readers resume from."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="events")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="events")
    number = models.BigIntegerField()
    name = models.CharField(max_length=30)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name = _("turn event")
        verbose_name_plural = _("turn events")
        ordering = ["conversation", "number"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "number"], name="event_has_one_number_in_its_conversation")
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"
