"""What long work shares: one step at a time holds its row by a token, and writes nothing once it has lost it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# Three signs of life missed, and a little. The clusters look every few seconds, so a dead worker's work goes on within
# a minute.
HEARTBEAT_LOST_AFTER = timedelta(seconds=40)


class LeaseLost(Exception):
    """Another step works on this row, or somebody cancelled it; whoever gets this stops and writes nothing."""


class Leased(models.Model):
    """A row that background steps carry forward, one after the other.

    The clock of the database tells who is late: those of several machines never agree.
    """

    # Each worker step proves with this token that it is the one at work; a late one writes nothing.
    lease_token = models.UUIDField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)

    class Meta:
        abstract = True

    @classmethod
    def workable(cls) -> models.QuerySet[Any]:
        """The rows that a step may take."""
        return cls._base_manager.all()

    @classmethod
    def abandoned(cls) -> models.QuerySet[Any]:
        """Workable rows whose worker is gone, or whose task was lost."""
        long_ago = Now() - HEARTBEAT_LOST_AFTER
        silent = Q(heartbeat_at=None) | Q(heartbeat_at__lt=long_ago)
        return cls.workable().filter(silent, created_at__lt=long_ago)

    @property
    def is_silent(self) -> bool:
        """True when no step has shown itself for a while."""
        return self.heartbeat_at is None or timezone.now() - self.heartbeat_at > HEARTBEAT_LOST_AFTER

    def take(self, **changes: Any) -> UUID | None:
        """A token for the next step, or None while another step is alive or nothing is left to do."""
        token = uuid4()
        nobody = Q(lease_token=None) | Q(heartbeat_at__lt=Now() - HEARTBEAT_LOST_AFTER)
        rows = self.workable().filter(nobody, pk=self.pk)
        taken = rows.update(lease_token=token, heartbeat_at=Now(), **changes)
        self.refresh_from_db()
        return token if taken else None

    def note(self, token: UUID, **changes: Any) -> None:
        """Write progress with a sign of life. Raises LeaseLost when another step, or a cancel, has taken over."""
        rows = type(self)._base_manager.filter(pk=self.pk, lease_token=token)
        if not rows.update(heartbeat_at=Now(), **changes):
            raise LeaseLost
        self.refresh_from_db()

    def show_life(self, token: UUID) -> None:
        type(self)._base_manager.filter(pk=self.pk, lease_token=token).update(heartbeat_at=Now())

    def let_go(self, token: UUID) -> None:
        """The end of a step: the next one may take the row at once."""
        type(self)._base_manager.filter(pk=self.pk, lease_token=token).update(lease_token=None)
