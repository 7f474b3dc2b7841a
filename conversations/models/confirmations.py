"""A call that waits until a person has seen it as it will really be made, and has said yes or no."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversations.models.messages import Message
from magnet.ids import uuid7


class ConfirmationQuerySet(models.QuerySet["Confirmation"]):
    def waiting(self) -> ConfirmationQuerySet:
        return self.filter(status=Confirmation.Status.WAITING)

    def overdue(self) -> ConfirmationQuerySet:
        return self.waiting().filter(expires_at__lte=timezone.now())


class Confirmation(models.Model):
    class Status(models.TextChoices):
        WAITING = "waiting", _("Waits")
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Refused")
        EXPIRED = "expired", _("Expired")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="confirmations")
    call_id = models.CharField(max_length=200)
    action = models.CharField(_("action"), max_length=100)
    name = models.CharField(_("function"), max_length=200, blank=True)
    label = models.CharField(_("what"), max_length=300, blank=True)
    arguments = models.JSONField(_("arguments"), default=dict)
    sentence = models.TextField(_("in words"), blank=True)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.WAITING)
    is_for_conversation = models.BooleanField(_("for the whole conversation"), default=False)
    comment = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(_("asked"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)
    answered_by = models.CharField(_("answered by"), max_length=300, blank=True)

    objects: ClassVar[Any] = ConfirmationQuerySet.as_manager()

    class Meta:
        verbose_name = _("confirmation")
        verbose_name_plural = _("confirmations")
        ordering = ["-created_at"]
        constraints = [
            # A model may use an id again in a later step of the same turn.
            models.UniqueConstraint(
                fields=["message", "call_id"], condition=Q(status="waiting"), name="call_waits_for_one_confirmation"
            )
        ]
        indexes = [models.Index(fields=["expires_at"], condition=Q(status="waiting"), name="confirmations_that_expire")]

    def __str__(self) -> str:
        return self.sentence or self.label or self.action

    @property
    def audit_label(self) -> str:
        return f"{self.action} ({self.id})"

    @property
    def is_waiting(self) -> bool:
        return self.status == self.Status.WAITING

    @property
    def is_overdue(self) -> bool:
        return self.is_waiting and self.expires_at <= timezone.now()
