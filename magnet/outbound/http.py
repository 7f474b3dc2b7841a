"""The one outbound HTTP client: time-outs, size limits, checked redirects, polite retries, no private addresses."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
import stamina
from django.conf import settings

from magnet.errors import FetchFailed
from magnet.outbound.addresses import DEFAULT_PORTS, host_and_port
from magnet.outbound.decompression import unpacked
from magnet.outbound.http_failures import broken, refused_status, timed_out, told
from magnet.outbound.transport import CheckedTransport

MAX_REDIRECTS = 5
WORTH_A_RETRY = {429, 502, 503, 504}
# Reasons of a FetchFailed that may pass by themselves.
PASSING_REASONS = {"dns", "refused", "timeout", "broken"}
# They speak of the first address only.
CONDITIONS = {"if-none-match", "if-modified-since"}


@dataclass(frozen=True)
class Response:
    """What came back. `url` is where the body came from, after redirects; `is_read` says whether it was wanted."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    is_read: bool = True

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def redirects_to(self) -> str:
        """The absolute target of a redirect, or nothing."""
        if self.status not in {301, 302, 303, 307, 308} or not self.headers.get("location"):
            return ""
        try:
            return str(httpx.URL(self.url).join(self.headers["location"]))
        except httpx.InvalidURL as error:
            raise FetchFailed(f"{self.url} redirects to an address that cannot be read.", reason="redirects") from error


@dataclass(frozen=True)
class Call:
    """One request as its caller means it. `secret_headers` never leave the origin of the first address."""

    method: str
    url: str
    max_bytes: int
    headers: Mapping[str, str]
    secret_headers: Mapping[str, str]
    accept: Collection[int]
    may_follow: Callable[[str], bool]
    is_wanted: Callable[[Response], bool]
    content: bytes | None = None
    # Refusals whose body says more than their status.
    explained: Collection[int] = ()
    deadline: float = field(default=0.0)


def always(_: object) -> bool:
    return True


class OutboundClient:
    """Fetches with a limit on everything. Failures are FetchFailed (with `extra["reason"]` and, where there was an
    answer, `extra["remote_status"]`) or AddressRefused."""

    def __init__(
        self,
        *,
        timeout_seconds: float = 20.0,
        total_seconds: float = 120.0,
        attempts: int = 4,
        first_wait_seconds: float = 0.5,
        max_wait_seconds: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self.total_seconds = total_seconds
        self.attempts = attempts
        self.first_wait_seconds = first_wait_seconds
        self.max_wait_seconds = max_wait_seconds
        self._client = httpx.Client(
            transport=transport or CheckedTransport(),
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": user_agent(), "Accept-Encoding": "gzip, deflate"},
        )

    def get(
        self,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
        may_follow: Callable[[str], bool] = always,
        is_wanted: Callable[[Response], bool] = always,
        explained: Collection[int] = (),
    ) -> Response:
        """Fetch with retries. Statuses outside 2xx, `accept` and `explained` raise; a redirect that `may_follow`
        declines is returned as it is; the body is read only if `is_wanted` says so after seeing the headers, and of
        refusals only if their status is `explained`."""
        secrets = secret_headers or {}
        call = Call("GET", url, max_bytes, headers or {}, secrets, accept, may_follow, is_wanted, explained=explained)
        return self._repeat(call)

    def send(
        self,
        method: str,
        url: str,
        *,
        content: bytes,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, str] | None = None,
        explained: Collection[int] = (),
        is_repeatable: bool = False,
    ) -> Response:
        """Send a body and follow no redirect. Once, because it may have been acted on, unless it `is_repeatable`:
        a question that changes nothing, such as a search or the request of a token."""
        secrets = secret_headers or {}
        call = Call(
            method, url, max_bytes, headers or {}, secrets, (), lambda _: False, always, content, explained=explained
        )
        return self._repeat(call) if is_repeatable else self._follow(call)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _repeat(self, call: Call) -> Response:
        attempts = stamina.retry_context(
            on=self._wait_before_retry,
            attempts=self.attempts,
            timeout=None,
            wait_initial=self.first_wait_seconds,
            wait_max=self.max_wait_seconds,
            wait_jitter=self.first_wait_seconds,
        )
        for attempt in attempts:
            with attempt:
                return self._follow(call)
        raise AssertionError("stamina returns or raises")

    def _wait_before_retry(self, error: Exception) -> bool | float:
        """Whether to try again; a number is what the server asked for, plus a little so that callers spread out."""
        if not isinstance(error, FetchFailed):
            return False
        if error.extra.get("remote_status") not in WORTH_A_RETRY:
            return error.extra.get("reason") in PASSING_REASONS
        if error.retry_after_seconds is None:
            return True
        if error.retry_after_seconds > self.max_wait_seconds:
            return False  # Coming back too early is worse than saying when it would have been time.
        return error.retry_after_seconds + random.uniform(0, self.first_wait_seconds)  # noqa: S311 - only spreads load

    def _follow(self, call: Call) -> Response:
        call = replace(call, deadline=time.monotonic() + self.total_seconds)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._exchange(call)
            target = response.redirects_to
            if not target or not call.may_follow(target):
                return accepted(response, call)
            call = redirected(call, target)
        raise FetchFailed(f"{call.url} redirects more than {MAX_REDIRECTS} times.", reason="redirects")

    def _exchange(self, call: Call) -> Response:
        host_and_port(call.url)
        refuse_torn_secrets(call)
        request = self._client.build_request(
            call.method, call.url, headers={**call.headers, **call.secret_headers}, content=call.content
        )
        with told(call.url, timeout_seconds=self.timeout_seconds):
            answer = self._client.send(request, stream=True)
            try:
                return self._read(answer, call)
            finally:
                answer.close()

    def _read(self, answer: httpx.Response, call: Call) -> Response:
        response = Response(call.url, answer.status_code, answer.headers, is_read=False)
        is_wanted = call.is_wanted(response) if answer.is_success else answer.status_code in call.explained
        if not is_wanted:
            return response
        body = b"".join(self._limited(answer, call))
        return replace(response, body=body, is_read=True)

    def _limited(self, answer: httpx.Response, call: Call) -> Iterator[bytes]:
        """The body, unpacked, counted after unpacking, and never for longer than the whole request may take."""
        announced, count = answer.headers.get("content-length", ""), 0
        if announced.isdecimal() and int(announced) > call.max_bytes:
            raise too_large(call)
        try:
            for part in decoded(answer, call):
                count += len(part)
                if count > call.max_bytes:
                    raise too_large(call)
                if time.monotonic() > call.deadline:
                    raise timed_out(call.url, seconds=self.total_seconds)
                yield part
        except ValueError as error:
            raise broken(call.url, str(error)) from error


def refuse_torn_secrets(call: Call) -> None:
    """Said here without the secret: whoever sends the headers would quote it in an error that everybody reads."""
    for value in call.secret_headers.values():
        if not value.isascii() or not value.isprintable():
            raise FetchFailed(
                f"The secret for {call.url} holds a line break or a letter that no header takes. Copy it once more.",
                reason="secret",
            )


def decoded(answer: httpx.Response, call: Call) -> Iterator[bytes]:
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return answer.iter_raw()
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return unpacked(answer.iter_raw())
    raise FetchFailed(f"{call.url} is packed as {encoding!r}, which was not asked for.", reason="encoding")


def accepted(response: Response, call: Call) -> Response:
    is_declined_redirect = bool(response.redirects_to)
    if 200 <= response.status < 300 or is_declined_redirect or response.status in {*call.accept, *call.explained}:
        return response
    raise refused_status(response.url, status=response.status, retry_after_seconds=retry_after(response))


def redirected(call: Call, target: str) -> Call:
    """The next hop: without conditions that spoke of the first address, and without secrets for another origin."""
    kept = {name: value for name, value in call.headers.items() if name.lower() not in CONDITIONS}
    secrets = call.secret_headers if origin_of(target) == origin_of(call.url) else {}
    return replace(call, url=target, headers=kept, secret_headers=secrets)


def origin_of(url: str) -> str:
    """Scheme, host and port, with the default port left out."""
    parts = urlsplit(url)
    host, port = host_and_port(url)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port == DEFAULT_PORTS[parts.scheme] else f":{port}")


def retry_after(response: Response) -> float | None:
    """Retry-After in seconds, whether the server wrote a number or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def too_large(call: Call) -> FetchFailed:
    limit = f"{call.max_bytes / 1024 / 1024:,.3g} MB"
    return FetchFailed(f"{call.url} is larger than {limit}, the most that is fetched at once.", reason="too_large")


def user_agent() -> str:
    return f"Magnet/{settings.VERSION}"
