"""Webhooks, and the outbox of what is sent to them and by e-mail."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from magnet.encryption import decrypt, encrypt
from magnet.ids import uuid7
from magnet.models.base import Timestamped

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of every secret, none itself


class Event(models.TextChoices):
    """What somebody may want to be told of."""

    SYNC_FAILED = "sync.failed", _("A sync failed")
    SYNC_RECOVERED = "sync.recovered", _("A sync works again")
    SYNC_WAITING = "sync.waiting_for_approval", _("A sync waits for approval")
    SYNC_OVERDUE = "sync.overdue", _("A sync is overdue")
    VECTORS_LAG = "vectors.lag", _("The vector store stands still, or has caught up")
    MESSAGE_COMPLETED = "message.completed", _("An agent has answered")
    CONFIRMATION_NEEDED = "confirmation.needed", _("A conversation waits for a confirmation")
    CONVERSATION_CLOSED = "conversation.closed", _("A conversation was closed")
    TEST = "test", _("A test")


class Webhook(Timestamped):
    """An address that is told of events, each signed with its secret."""

    name = models.CharField(_("name"), max_length=200)
    url = models.URLField(_("address"), max_length=2_000)
    events = ArrayField(models.CharField(max_length=50, choices=Event.choices), verbose_name=_("tell it of"))
    is_active = models.BooleanField(_("active"), default=True)
    encrypted_secret = models.TextField(editable=False)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def secret(self) -> str:
        """The shared secret in clear: `whsec_` and 32 random bytes in base64, as the Standard Webhooks say."""
        return str(decrypt(self.encrypted_secret) or "")

    def renew_secret(self) -> None:
        self.encrypted_secret = encrypt(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self) -> DeliveryQuerySet:
        return self.filter(status=Delivery.Status.WAITING, next_attempt_at__lte=timezone.now())


class Delivery(models.Model):
    """One message to one receiver: written in the transaction that it speaks of, sent afterwards until it arrives."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")

    # The time between attempts; after the last one the message is given up.
    PAUSES = (
        timedelta(minutes=1),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(hours=8),
        timedelta(hours=24),
    )

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, null=True, related_name="deliveries", verbose_name=_("webhook")
    )
    # Instead of a webhook: an e-mail address.
    email = models.EmailField(_("e-mail address"), blank=True)
    event = models.CharField(_("event"), max_length=50, choices=Event.choices)
    subject = models.CharField(_("about"), max_length=300)
    text = models.TextField(_("message"))
    payload = models.JSONField(default=dict)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next try"), null=True, default=timezone.now)
    answer = models.CharField(_("answer"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)

    objects: ClassVar[Any] = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(webhook=None) ^ Q(email=""), name="delivery_goes_to_a_webhook_or_an_address"
            )
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(status="waiting"), name="deliveries_that_are_due")
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def receiver(self) -> str:
        return str(self.webhook) if self.webhook else self.email
