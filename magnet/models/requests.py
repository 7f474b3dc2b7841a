"""Requests that may be sent twice and must be carried out once."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.utils import timezone

from magnet.encryption import decrypt
from magnet.errors import NotConfigured

UUIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class IdempotentRequestQuerySet(models.QuerySet["IdempotentRequest"]):
    def naming(self, ids: Collection[UUID]) -> list[int]:
        """The keys of rows whose stored answer names one of these ids; each answer is read once, and none is held."""
        wanted = {str(pk) for pk in ids}
        if not wanted:
            return []
        bodies = self.exclude(body=None).values_list("pk", "body").iterator(chunk_size=50)
        return [pk for pk, body in bodies if body and not wanted.isdisjoint(UUIDS.findall(answer_in(bytes(body))))]


def answer_in(body: bytes) -> str:
    """A stored answer in clear; nothing where its key is lost, because then nobody reads it any more."""
    try:
        return str(decrypt(body.decode()) or "")
    except NotConfigured:
        return ""


class IdempotentRequest(models.Model):
    """The answer to a request with an Idempotency-Key, kept for 24 hours; `status` is null while it runs."""

    caller = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    # Encrypted: the answer may hold a new API key.
    body = models.BinaryField(null=True)

    objects: ClassVar[Any] = IdempotentRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="idempotency_key_is_unique_for_its_caller")
        ]

    def __str__(self) -> str:
        return self.key
