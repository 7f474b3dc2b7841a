"""A conversation: whose it is, with which agent, and what has been settled in it so far."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Agent
from magnet.callers import Caller
from magnet.ids import uuid7
from magnet.models import Feedback
from magnet.models.base import Timestamped

TITLE_CHARACTERS = 200


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def of(self, caller: Caller) -> ConversationQuerySet:
        """Those of this caller. A key that acts for somebody sees that person's alone."""
        own = self.filter(caller_type=caller.kind, caller_id=caller.id)
        return own.filter(person=caller.person) if caller.kind == "key" and caller.person else own

    def due_to_close(self, now: datetime) -> ConversationQuerySet:
        """Open ones whose time is over, unless a turn is at work in them."""
        at_work = Q(messages__status__in=["queued", "running"])
        busy = self.model._base_manager.filter(at_work, pk=OuterRef("pk"))
        return self.filter(~Exists(busy), status=Conversation.Status.OPEN, closes_at__lte=now)

    def due_to_go(self, now: datetime) -> ConversationQuerySet:
        """Closed or forgotten ones past their retention; a legal hold keeps them."""
        return self.filter(is_held=False, kept_until__lte=now)

    def said(self, words: str) -> ConversationQuerySet:
        """Those in whose title or messages these words stand."""
        from conversations.models.messages import Message

        said = Message.objects.filter(conversation=OuterRef("pk"), text__icontains=words)
        return self.filter(Q(title__icontains=words) | Exists(said))

    def rated(self, rating: str) -> ConversationQuerySet:
        """Those with an answer that somebody has rated so."""
        from conversations.models.messages import Message

        traces = Feedback.objects.filter(rating=rating).values("trace_id")
        return self.filter(Exists(Message.objects.filter(conversation=OuterRef("pk"), trace_id__in=traces)))


class Conversation(Timestamped):
    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        CLOSED = "closed", _("Closed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # What was said outlives the agent; its slug stays as a label.
    agent = models.ForeignKey(
        Agent, on_delete=models.SET_NULL, null=True, related_name="conversations", verbose_name=_("agent")
    )
    agent_slug = models.CharField(_("agent"), max_length=100)
    # The version that the caller asked for; null follows the live one.
    agent_version = models.PositiveIntegerField(_("version"), null=True, blank=True)
    caller_type = models.CharField(max_length=20)
    caller_id = models.CharField(max_length=50, blank=True)
    caller_label = models.CharField(_("caller"), max_length=300, blank=True)
    person = models.CharField(_("on behalf of"), max_length=300, blank=True)
    # What the person may find, as a key said it; null where the caller itself decides each time.
    groups = ArrayField(models.CharField(max_length=300), null=True, blank=True, editable=False)
    channel = models.CharField(_("channel"), max_length=30, default="api")
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.OPEN)
    title = models.CharField(_("title"), max_length=TITLE_CHARACTERS, blank=True)
    # Named by a person or a model, and no longer by the first question.
    is_named = models.BooleanField(default=False, editable=False)
    variables = models.JSONField(_("variables"), default=dict, blank=True)
    topic = models.CharField(_("topic"), max_length=100, blank=True)
    approved = ArrayField(models.CharField(max_length=100), default=list, blank=True, editable=False)
    # What the agent remembers of the messages up to this position.
    summary = models.TextField(_("summary for the agent"), blank=True, editable=False)
    summarised_to = models.PositiveIntegerField(default=0, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)
    last_event = models.BigIntegerField(default=0, editable=False)
    last_position = models.PositiveIntegerField(default=0, editable=False)
    cost = models.DecimalField(_("cost (USD)"), max_digits=20, decimal_places=10, default=0)
    last_message_at = models.DateTimeField(_("last message"), default=timezone.now)
    closes_at = models.DateTimeField(_("closes"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    kept_until = models.DateTimeField(_("kept until"), null=True, blank=True)
    is_held = models.BooleanField(
        _("legal hold"), default=False, help_text=_("It is neither forgotten nor erased while this is set.")
    )

    objects: ClassVar[Any] = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ["-last_message_at"]
        indexes = [
            models.Index(fields=["-last_message_at"], name="conversation_by_time"),
            models.Index(fields=["caller_type", "caller_id", "person"], name="conversation_by_owner"),
            models.Index(fields=["agent_slug", "-last_message_at"], name="conversation_by_agent"),
            models.Index(fields=["closes_at"], condition=Q(status="open"), name="conversations_that_close"),
            models.Index(fields=["kept_until"], condition=Q(is_held=False), name="conversations_that_go"),
        ]

    def __str__(self) -> str:
        return self.title or str(self.id)

    @property
    def audit_label(self) -> str:
        """What people said must not outlive the conversation."""
        return str(self.id)

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN

    def belongs_to(self, caller: Caller) -> bool:
        if not caller.id or (self.caller_type, self.caller_id) != (caller.kind, caller.id):
            return False
        # A key that names nobody speaks for all for whom it has opened conversations.
        return caller.kind != "key" or not caller.person or caller.person == self.person

    def end(self, *, at: datetime) -> None:
        """Close it; nothing more is said in it."""
        self.status, self.closed_at, self.closes_at = self.Status.CLOSED, at, None
        self.revision += 1
        self.save(update_fields=["status", "closed_at", "closes_at", "revision", "updated_at"])

    def note_activity(self, *, closes_after: timedelta | None, kept_for: timedelta | None) -> None:
        """Something was said: the times at which it closes and is forgotten move on."""
        now = timezone.now()
        self.last_message_at = now
        self.closes_at = now + closes_after if closes_after else None
        self.kept_until = now + kept_for if kept_for else None
