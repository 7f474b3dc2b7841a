"""Copies of vectors in a store beside PostgreSQL, and the outbox of what has changed since they were made."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


class VectorCopyQuerySet(models.QuerySet["VectorCopy"]):
    def at(self, kind: str, url: str) -> VectorCopyQuerySet:
        """Those in this store: what was copied to another one serves nobody."""
        return self.filter(kind=kind, url=url)


class VectorCopy(models.Model):
    """That a generation's vectors are (or are being) copied to a store; while it stands, triggers note each change."""

    # No foreign key: a generation can go without asking, and its collection is dropped afterwards.
    index_id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=50)
    url = models.CharField(max_length=1_000, blank=True)
    # Chunks up to this one are there; the rest follows.
    filled_to = models.BigIntegerField(default=0)
    # From then on searches use it.
    filled_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = VectorCopyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.kind} {self.index_id}"

    def note(self, *, filled_to: int) -> None:
        self.filled_to = filled_to
        self.save(update_fields=["filled_to"])

    def complete(self, *, at: datetime | None = None) -> None:
        self.filled_at = at or timezone.now()
        self.save(update_fields=["filled_at"])


class VectorChange(models.Model):
    """The outbox: a chunk whose vector was written or deleted. What is true of it stands in its row, or no row does."""

    index_id = models.BigIntegerField()
    chunk_id = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["index_id", "id"], name="vector_change_by_index")]

    def __str__(self) -> str:
        return f"{self.index_id} {self.chunk_id}"
