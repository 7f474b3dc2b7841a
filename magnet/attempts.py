"""How patiently a provider is asked: its limits, a time-out for each attempt, retries with jitter, a deadline."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any, TypeVar

from magnet.errors import ProviderAnswerInvalid, ProviderBusy, ProviderError, ProviderRefusedKey, ProviderTimedOut
from magnet.limits import ProviderLimits
from magnet.models import Provider
from magnet.providers.base import ChatDelta
from magnet.tracing import SpanRecord

T = TypeVar("T")

MAX_ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.5
# Who is told to come back later than this is told so, rather than kept waiting.
MAX_PAUSE_SECONDS = 20.0
# However steadily it trickles, no stream goes on for longer.
STREAM_SECONDS = 900.0
# Answers of a server that say that the request itself is fine.
PASSING_STATUSES = {408, 409, 425, 429}

_limits: dict[tuple[Any, ...], ProviderLimits] = {}


class Attempts:
    """One call as the caller sees it, which may be several on the wire; what went wrong is noted on the span."""

    def __init__(self, provider: Provider, *, span: SpanRecord, is_limited: bool) -> None:
        self.provider, self.span = provider, span
        self.limits = limits_of(provider) if is_limited else None
        self.failures = 0
        # Waiting included: a second attempt still fits, an endless queue does not.
        self.deadline = time.monotonic() + 2 * provider.timeout_seconds

    async def make(self, call: Callable[[], Awaitable[T]], *, tokens: float) -> T:
        """The result of the first attempt that succeeds. Raises the last ProviderError."""
        while True:
            async with self._leave(tokens):
                try:
                    async with asyncio.timeout(self.provider.timeout_seconds):
                        return await call()
                except TimeoutError as error:
                    failure: ProviderError = self._timed_out()
                    failure.__cause__ = error
                except ProviderError as error:
                    failure = error
            await self._pause_or_raise(failure)

    async def make_stream(
        self, open_stream: Callable[[], AsyncGenerator[ChatDelta, None]], *, tokens: float
    ) -> AsyncGenerator[ChatDelta, None]:
        """The deltas of the first attempt that begins to answer; what fails after its first delta is final."""
        while True:
            has_begun = False
            async with self._leave(tokens), aclosing(self._in_time(open_stream)) as deltas:
                try:
                    async for delta in deltas:
                        has_begun = True
                        yield delta
                    return
                except ProviderError as error:
                    failure = error
            if has_begun:
                raise failure
            await self._pause_or_raise(failure)

    def correct(self, difference: float) -> None:
        """Tell the limit how many more tokens were spent than was thought."""
        if self.limits:
            self.limits.correct(difference)

    def _leave(self, tokens: float) -> AbstractAsyncContextManager[None]:
        return self.limits.call(tokens=tokens, deadline=self.deadline) if self.limits else nullcontext()

    async def _in_time(
        self, open_stream: Callable[[], AsyncGenerator[ChatDelta, None]]
    ) -> AsyncGenerator[ChatDelta, None]:
        ends_at = time.monotonic() + STREAM_SECONDS
        async with aclosing(open_stream()) as deltas:
            async for delta in deltas:
                yield delta
                if time.monotonic() > ends_at:
                    raise self._timed_out(STREAM_SECONDS)

    async def _pause_or_raise(self, failure: ProviderError) -> None:
        self.failures += 1
        asked_for = failure.retry_after_seconds
        pause = pause_seconds(self.failures) if asked_for is None else asked_for + random.uniform(0, 0.1)  # noqa: S311
        is_too_late = pause > MAX_PAUSE_SECONDS or time.monotonic() + pause > self.deadline
        if self.failures >= attempts_allowed(failure) or is_too_late:
            raise failure
        retries = self.span.attributes.setdefault("retries", [])
        retries.append({"error": failure.code, "waited_seconds": round(pause, 3)})
        await asyncio.sleep(pause)

    def _timed_out(self, seconds: float | None = None) -> ProviderTimedOut:
        return ProviderTimedOut(
            f"The provider “{self.provider.name}” did not finish within {seconds or self.provider.timeout_seconds:g} "
            f"seconds. Try again, or raise the provider's time-out."
        )


def attempts_allowed(failure: ProviderError) -> int:
    """Whether asking again can help: with a refused key or request it cannot, and garbage seldom comes twice."""
    status = failure.extra.get("upstream_status")
    if isinstance(failure, ProviderRefusedKey):
        return 1
    if isinstance(failure, ProviderAnswerInvalid | ProviderTimedOut):
        return 2
    if isinstance(failure, ProviderBusy) or status is None or status >= 500 or status in PASSING_STATUSES:
        return MAX_ATTEMPTS
    return 1


def pause_seconds(failures: int) -> float:
    """Twice as long each time, and never the same for two who failed together."""
    return FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1) * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)


def limits_of(provider: Provider) -> ProviderLimits | None:
    """The provider's limits in this process; new ones when somebody changed them."""
    values = (provider.max_concurrency, provider.requests_per_minute, provider.tokens_per_minute)
    if not any(values):
        return None
    key = (provider.slug, *values)
    if key not in _limits:
        _limits[key] = ProviderLimits(
            f"provider {provider.slug}",
            max_concurrency=provider.max_concurrency,
            requests_per_minute=provider.requests_per_minute,
            tokens_per_minute=provider.tokens_per_minute,
        )
    return _limits[key]
