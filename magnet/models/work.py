"""Signs of life of the workers, so that stuck and working never look alike."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class WorkerHeartbeat(models.Model):
    """One worker cluster on one machine; `beat_at` is moved while it lives."""

    cluster = models.CharField(max_length=50)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(db_index=True)
    # Since when each of its beats got through to the database; those before failed, for longer than a moment.
    in_touch_since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "host", "pid"], name="one_heartbeat_for_each_cluster_process")
        ]

    def __str__(self) -> str:
        return f"{self.cluster} on {self.host}"


class LimitLease(models.Model):
    """A process's share of a limit (a provider's, a key's) until `expires_at`; spent in that process's memory."""

    subject = models.CharField(max_length=100)
    holder = models.CharField(max_length=100)
    share = models.FloatField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "holder"], name="one_lease_for_each_process_and_limit")
        ]

    def __str__(self) -> str:
        return self.subject
