"""How often a key or a person may call: a minute's limit, of which each web process spends its part in memory."""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import DatabaseError

from magnet.callers import Caller
from magnet.errors import RateLimited
from magnet.limits import Lease

log = structlog.get_logger(__name__)

SECONDS = 60.0
# What a process may spend while the others have not made room for it yet: no key is turned away by a restart.
SHARE_OF_A_NEWCOMER = 0.1


@dataclass(frozen=True)
class Allowance:
    """What a caller may still do; `reset_seconds` is when the whole of it is there again."""

    limit: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }


class Bucket:
    """One caller's requests in this process: it holds a minute's share and fills evenly."""

    def __init__(self, subject: str, limit: int) -> None:
        self.limit = limit
        self.lease = Lease(subject, limit, is_whole=False)
        self.level, self.filled_at = math.inf, time.monotonic()

    @property
    def share(self) -> float:
        return max(1.0, self.lease.share, self.limit * SHARE_OF_A_NEWCOMER)

    def take(self, now: float) -> float:
        """Take one request out; returns 0, or the seconds until there is one."""
        per_second = self.share / SECONDS
        self.level = min(self.share, self.level + (now - self.filled_at) * per_second)
        self.filled_at = now
        if self.level < 1:
            return (1 - self.level) / per_second
        self.level -= 1
        return 0.0

    def allowance(self) -> Allowance:
        reset = math.ceil((self.share - self.level) / self.share * SECONDS)
        return Allowance(self.limit, int(self.level), max(0, reset))


_buckets: dict[str, Bucket] = {}
# Strong references: the event loop keeps only weak ones.
_renewals: set[asyncio.Task[None]] = set()


async def spend(caller: Caller) -> Allowance:
    """Count one request of a key or a person. Raises RateLimited when its minute is used up."""
    limit = limit_of(caller)
    name = subject(caller)
    bucket = _buckets.get(name)
    if bucket is None or bucket.limit != limit:
        bucket = _buckets[name] = Bucket(f"{name} requests", limit)
    await _renew(bucket.lease)
    wait_seconds = bucket.take(time.monotonic())
    if wait_seconds:
        who = "You may ask" if caller.kind == "user" else "This API key may call"
        raise RateLimited(
            f"{who} {limit} times a minute. Try again in {math.ceil(wait_seconds)} s.",
            retry_after_seconds=wait_seconds,
        )
    return bucket.allowance()


def allowance(caller: Caller) -> Allowance | None:
    bucket = _buckets.get(subject(caller))
    return bucket.allowance() if bucket else None


def limit_of(caller: Caller) -> int:
    usual = settings.PERSON_REQUESTS_PER_MINUTE if caller.kind == "user" else settings.REQUESTS_PER_MINUTE
    return caller.requests_per_minute or int(usual)


def subject(caller: Caller) -> str:
    """People and keys are counted apart: both have numbers from 1 on."""
    return f"{caller.kind} {caller.id}"


async def _renew(lease: Lease) -> None:
    """The first time now, later beside the request: nobody waits for the database to count."""
    if lease.was_never_asked_for:
        await _renewed(lease)
    elif time.monotonic() >= lease.expires_at:
        task = asyncio.get_running_loop().create_task(_renewed(lease), context=contextvars.Context())
        _renewals.add(task)
        task.add_done_callback(_renewals.discard)


async def _renewed(lease: Lease) -> None:
    try:
        await lease.renew()
    except DatabaseError as error:
        log.warning("limit_not_renewed", subject=lease.subject, error=str(error))
