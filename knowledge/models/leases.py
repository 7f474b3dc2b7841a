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


FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(minutes=10)
# A provider may ask for more patience, but not for any amount of it.
LONGEST_WISH = timedelta(hours=1)


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

    def is_held_by(self, token: UUID) -> bool:
        """Asked anew: whether the step `token` still has this row."""
        return type(self)._base_manager.filter(pk=self.pk, lease_token=token).exists()

    def let_go(self, token: UUID) -> None:
        """The end of a step: the next one may take the row at once."""
        type(self)._base_manager.filter(pk=self.pk, lease_token=token).update(lease_token=None)


class Resting(Leased):
    """Work that somebody else may hold up (a provider without quota, a full disk): it waits, and goes on by itself."""

    # Until when it rests, and how often in a row it has had to.
    resumes_at = models.DateTimeField(_("goes on"), null=True, blank=True)
    pauses = models.PositiveSmallIntegerField(default=0)

    class Meta:
        abstract = True

    @classmethod
    def may_go_on(cls) -> Q:
        return Q(resumes_at=None) | Q(resumes_at__lte=timezone.now())

    @property
    def is_resting(self) -> bool:
        """Whether it waits for its next try; one that no worker takes in time is not resting any more, but stuck."""
        return self.resumes_at is not None and timezone.now() < self.resumes_at + HEARTBEAT_LOST_AFTER * 3

    @property
    def next_try(self) -> str:
        """When it tries again, as a sentence; empty when it does not rest."""
        if self.resumes_at is None:
            return ""
        at = timezone.localtime(self.resumes_at)
        return f"Tries again at {at:%H:%M} ({at.tzname()})."

    def rest(self, token: UUID, *, at_least_seconds: float = 0.0, **changes: Any) -> None:
        """Stop until somebody else has done their part; each time in a row twice as long."""
        pause = min(FIRST_REST * 2 ** min(self.pauses, 10), LONGEST_REST)
        asked_for = min(timedelta(seconds=at_least_seconds), LONGEST_WISH)
        resumes_at = timezone.now() + max(pause, asked_for)
        self.note(token, resumes_at=resumes_at, pauses=self.pauses + 1, lease_token=None, **changes)
