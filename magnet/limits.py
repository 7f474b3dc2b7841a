"""Limits that hold across processes: each process leases a share of a limit and spends it in its own memory.

A lease is a row with an expiry. A process that joins gets what the others have not leased; when they renew, after at
most LEASE_SECONDS, the shares become equal. So the sum of all shares never exceeds the limit, and the database is
asked once in LEASE_SECONDS, not once a call.
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from django.db import connection, transaction
from django.db.models.functions import Now

from magnet.database import in_database
from magnet.errors import ProviderBusy
from magnet.models import LimitLease

LEASE_SECONDS = 5.0
# A minute's limit may be spent this fast at once; then it comes in evenly.
BURST_SECONDS = 10.0
LOOK_SECONDS = 0.05
# Whoever got nothing asks again so often.
RETRY_SECONDS = 0.5

_process = ""


def holder() -> str:
    """This process's name on its leases; a fork gets another one."""
    global _process
    prefix = f"{socket.gethostname()[:60]}:{os.getpid()}:"
    if not _process.startswith(prefix):
        _process = prefix + secrets.token_hex(4)
    return _process


class Lease:
    """This process's share of one limit, renewed when it has run out and somebody wants to spend."""

    def __init__(self, subject: str, limit: float, *, is_whole: bool) -> None:
        self.subject, self.limit, self.is_whole = subject, limit, is_whole
        self.share = 0.0
        self.expires_at = 0.0
        self._renewing = threading.Lock()

    @property
    def was_never_asked_for(self) -> bool:
        return self.expires_at == 0.0

    async def renew(self) -> None:
        """Renew when the time has come; whoever comes while somebody renews goes on with the old share."""
        if time.monotonic() < self.expires_at or not self._renewing.acquire(blocking=False):
            return
        try:
            share = await in_database(leased, self.subject, limit=self.limit, had=self.share, is_whole=self.is_whole)
            self.share = share
            self.expires_at = time.monotonic() + (LEASE_SECONDS if share else RETRY_SECONDS)
        finally:
            self._renewing.release()


@transaction.atomic
def leased(subject: str, *, limit: float, had: float, is_whole: bool) -> float:
    """Take this process's share of `limit` and write it down."""
    with connection.cursor() as cursor:
        # One at a time for each subject: two who join together must not both take what is left.
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"limit {subject}"])
    leases = LimitLease.objects.filter(subject=subject)
    leases.filter(expires_at__lt=Now()).delete()
    others = list(leases.exclude(holder=holder()).values_list("share", flat=True))
    share = fair_share(limit, others=others, had=had, is_whole=is_whole)
    LimitLease.objects.update_or_create(
        subject=subject,
        holder=holder(),
        defaults={"share": share, "expires_at": Now() + timedelta(seconds=LEASE_SECONDS)},
    )
    return share


def fair_share(limit: float, *, others: Sequence[float], had: float, is_whole: bool) -> float:
    """An equal part, as far as the others have left it. Of fewer whole places than processes, turns are taken."""
    left = max(0.0, limit - sum(others))
    equal = limit / (len(others) + 1)
    if not is_whole:
        return min(equal, left)
    someone_waits = any(share == 0 for share in others)
    if had and equal < 1 and someone_waits:
        return 0.0
    return float(math.floor(min(max(1.0, equal), left)))


class Rate:
    """So many requests or tokens a minute, as a bucket that fills evenly. It may go below zero, and then waits."""

    def __init__(self, subject: str, per_minute: float) -> None:
        self.lease = Lease(subject, per_minute, is_whole=False)
        self.level, self.filled_at = math.nan, time.monotonic()

    async def spend(self, amount: float, *, deadline: float) -> None:
        """Wait until `amount` may be spent. Raises ProviderBusy when that would be after `deadline`."""
        while True:
            await self.lease.renew()
            wait_seconds = self._take(amount)
            if not wait_seconds:
                return
            if time.monotonic() + wait_seconds > deadline:
                raise ProviderBusy(
                    f"Our limit of {self.lease.limit:g} a minute for this provider is used up. "
                    f"Try again in {math.ceil(wait_seconds)} s.",
                    retry_after_seconds=wait_seconds,
                )
            await asyncio.sleep(min(wait_seconds, RETRY_SECONDS))

    def correct(self, difference: float) -> None:
        """What was spent turned out to be more (or less) than was thought."""
        self.level -= difference

    def _take(self, amount: float) -> float:
        per_second = self.lease.share / 60
        if not per_second:
            return LOOK_SECONDS if self.lease.was_never_asked_for else RETRY_SECONDS
        capacity = max(1.0, per_second * BURST_SECONDS)
        now = time.monotonic()
        level = capacity if math.isnan(self.level) else self.level + (now - self.filled_at) * per_second
        self.level, self.filled_at = min(capacity, level), now
        # What is larger than the bucket goes when the bucket is full, and the debt is waited for afterwards.
        needed = min(amount, capacity)
        if self.level < needed:
            return (needed - self.level) / per_second
        self.level -= amount
        return 0.0


class Places:
    """So many calls at the same time."""

    def __init__(self, subject: str, limit: int) -> None:
        self.lease = Lease(subject, limit, is_whole=True)
        self.taken = 0
        # A process may have two event loops, on two threads.
        self._counting = threading.Lock()

    @asynccontextmanager
    async def one(self, *, deadline: float) -> AsyncIterator[None]:
        """Wait for a place and keep it. Raises ProviderBusy when there is none before `deadline`."""
        await self.lease.renew()
        while not self._take():
            if time.monotonic() > deadline:
                raise ProviderBusy(
                    f"All {self.lease.limit:g} calls that this provider may have at the same time are under way. "
                    f"Try again later.",
                    retry_after_seconds=1.0,
                )
            await asyncio.sleep(LOOK_SECONDS)
            await self.lease.renew()
        try:
            yield
        finally:
            with self._counting:
                self.taken -= 1

    def _take(self) -> bool:
        with self._counting:
            if self.taken >= self.lease.share:
                return False
            self.taken += 1
            return True


class ProviderLimits:
    """All limits of one provider in this process."""

    def __init__(
        self,
        provider: str,
        *,
        max_concurrency: int | None,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
    ) -> None:
        self.places = Places(f"{provider} calls", max_concurrency) if max_concurrency else None
        self.requests = Rate(f"{provider} requests", requests_per_minute) if requests_per_minute else None
        self.tokens = Rate(f"{provider} tokens", tokens_per_minute) if tokens_per_minute else None

    @asynccontextmanager
    async def call(self, *, tokens: float, deadline: float) -> AsyncIterator[None]:
        """Wait for leave to make one call of about so many tokens, and hold a place while it runs."""
        if self.requests:
            await self.requests.spend(1, deadline=deadline)
        if self.tokens:
            await self.tokens.spend(tokens, deadline=deadline)
        if self.places is None:
            yield
            return
        async with self.places.one(deadline=deadline):
            yield

    def correct(self, difference: float) -> None:
        if self.tokens:
            self.tokens.correct(difference)


async def give_back() -> None:
    """Let the other processes have this one's shares at once, when it ends."""
    await in_database(lambda: LimitLease.objects.filter(holder=holder()).delete())
