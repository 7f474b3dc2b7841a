"""Forgets what has been kept long enough, in small batches, so that no table is locked for long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from magnet.models import Delivery, IdempotentRequest, LimitLease, Span, SpanPayload, Trace

log = structlog.get_logger(__name__)

BATCH = 5_000


def forget() -> dict[str, int]:
    """Delete payloads, traces, replayed requests and leases past their time; returns how many of each."""
    now = timezone.now()
    old_traces = Trace.objects.filter(started_at__lt=now - timedelta(days=settings.TRACE_DAYS))
    old = {
        "payloads": SpanPayload.objects.filter(created_at__lt=now - timedelta(days=settings.PAYLOAD_DAYS)),
        "spans": Span.objects.filter(trace__in=old_traces),
        "traces": old_traces,
        "requests": IdempotentRequest.objects.filter(created_at__lt=now - timedelta(hours=24)),
        "deliveries": Delivery.objects.filter(created_at__lt=now - timedelta(days=settings.PAYLOAD_DAYS)),
        "leases": LimitLease.objects.filter(expires_at__lt=now - timedelta(hours=1)),
    }
    counts = {name: _delete(rows) for name, rows in old.items()}
    log.info("retention_done", **counts)
    return counts


def _delete(rows: QuerySet[Any]) -> int:
    total = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        rows.model._base_manager.filter(pk__in=ids).delete()
        total += len(ids)
    return total
