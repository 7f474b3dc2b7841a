"""The outbound HTTP client for callers who wait on the event loop: one request to somebody's API, with a limit on
everything, checked redirects, and secrets that stay at the origin they are for."""

from __future__ import annotations

import asyncio
import functools
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode, urlsplit, urlunsplit
from weakref import WeakKeyDictionary

import httpx2

from magnet.errors import FetchFailed
from magnet.outbound.addresses import host_and_port
from magnet.outbound.async_transport import CheckedAsyncTransport
from magnet.outbound.decompression import unpacked
from magnet.outbound.http import (
    MAX_REDIRECTS,
    PASSING_REASONS,
    WORTH_A_RETRY,
    Response,
    origin_of,
    retry_after,
    user_agent,
)
from magnet.outbound.http_failures import broken, explained, timed_out
from magnet.outbound.transport import trusted_authorities

ATTEMPTS = 3
FIRST_WAIT_SECONDS = 0.3
# What may be waited for between attempts; a server that wants more is asked again by whoever asked us.
MOST_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Request:
    """One request as its caller means it. Secrets never leave the origin of `url`, and no error shows them.

    It is repeated, and redirects are followed, only where it `is_repeatable`: where it changes nothing.
    """

    method: str
    url: str
    max_bytes: int
    total_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, str] = field(default_factory=dict)
    secret_query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    is_repeatable: bool = False

    @property
    def shown(self) -> str:
        """The address without its query, which may be personal."""
        return urlunsplit((*urlsplit(self.url)[:3], "", ""))

    @property
    def dialled(self) -> str:
        if not self.secret_query:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(self.secret_query)}"


class AsyncOutboundClient:
    """Failures are FetchFailed (with `extra["reason"]`) or AddressRefused; every status is an answer."""

    def __init__(self, *, verifies_tls: bool = True, allows_private: bool = True) -> None:
        self._client = httpx2.AsyncClient(
            transport=CheckedAsyncTransport(
                tls=trusted_authorities() if verifies_tls else any_authority(), allows_private=allows_private
            ),
            # One time-out for the whole of a request is kept in send().
            timeout=None,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": user_agent(), "Accept-Encoding": "gzip, deflate"},
        )

    async def send(self, request: Request) -> Response:
        """The answer with its body, after redirects and further attempts, all within `total_seconds`."""
        deadline = asyncio.get_running_loop().time() + request.total_seconds
        try:
            async with asyncio.timeout_at(deadline):
                return await self._repeat(request, deadline=deadline)
        except TimeoutError as error:
            raise timed_out(request.shown, seconds=request.total_seconds) from error

    async def close(self) -> None:
        await self._client.aclose()

    async def _repeat(self, request: Request, *, deadline: float) -> Response:
        last = ATTEMPTS if request.is_repeatable else 1
        for attempt in range(1, last + 1):
            wait = FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * random.uniform(1, 2)  # noqa: S311 - only spreads load
            try:
                response = await self._follow(request)
            except FetchFailed as error:
                if attempt == last or error.extra.get("reason") not in PASSING_REASONS:
                    raise
            else:
                wait = retry_after(response) or wait
                is_late = wait > MOST_WAIT_SECONDS or asyncio.get_running_loop().time() + wait > deadline
                if attempt == last or response.status not in WORTH_A_RETRY or is_late:
                    return response
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _follow(self, request: Request) -> Response:
        current = request
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._exchange(current)
            # What is sent in a body is for this address, also where asking twice does no harm.
            target = response.redirects_to if request.is_repeatable and request.content is None else ""
            if not target:
                return response
            current = redirected(current, target)
        raise FetchFailed(f"{request.shown} redirects more than {MAX_REDIRECTS} times.", reason="redirects")

    async def _exchange(self, request: Request) -> Response:
        host_and_port(request.url)
        refuse_torn_headers(request)
        signed = {name.lower() for name in request.secret_headers}
        plain = {name: value for name, value in request.headers.items() if name.lower() not in signed}
        with_secrets = {**plain, **request.secret_headers}
        async with told(request):
            sent = self._client.build_request(
                request.method, request.dialled, headers=with_secrets, content=request.content
            )
            answer = await self._client.send(sent, stream=True)
            try:
                body = await read(answer, request)
            finally:
                await answer.aclose()
        return Response(request.url, answer.status_code, answer.headers, body=body)


async def read(answer: httpx2.Response, request: Request) -> bytes:
    """The body, unpacked, and counted before and after unpacking."""
    announced, parts, count = answer.headers.get("content-length", ""), [], 0
    if announced.isdecimal() and int(announced) > request.max_bytes:
        raise too_large(request)
    async for part in answer.aiter_raw():
        count += len(part)
        if count > request.max_bytes:
            raise too_large(request)
        parts.append(part)
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return b"".join(parts)
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise FetchFailed(f"{request.shown} is packed as {encoding!r}, which was not asked for.", reason="encoding")
    return unpack(parts, request)


def unpack(parts: list[bytes], request: Request) -> bytes:
    found, count = [], 0
    try:
        for part in unpacked(parts):
            count += len(part)
            if count > request.max_bytes:
                raise too_large(request)
            found.append(part)
    except ValueError as error:
        raise broken(request.shown, str(error)) from error
    return b"".join(found)


def redirected(request: Request, target: str) -> Request:
    """The next hop; at another origin without anything that the caller has sent."""
    if origin_of(target) == origin_of(request.url):
        return replace(request, url=target, secret_query={})
    return replace(request, url=target, headers={}, secret_headers={}, secret_query={})


def refuse_torn_headers(request: Request) -> None:
    """Said here without the value: whoever sends the headers would quote it in an error that everybody reads."""
    for name, value in {**request.headers, **request.secret_headers}.items():
        if not value.isascii() or not value.isprintable():
            raise FetchFailed(
                f"The header {name} for {request.shown} holds a line break or a letter that no header takes.",
                reason="secret",
            )


def too_large(request: Request) -> FetchFailed:
    limit = f"{request.max_bytes / 1024:,.0f} KB"
    said = f"The answer of {request.shown} is larger than {limit}, the most that is read."
    return FetchFailed(said, reason="too_large")


@asynccontextmanager
async def told(request: Request) -> AsyncIterator[None]:
    """Raise every failure of httpx2 as a FetchFailed."""
    try:
        yield
    except httpx2.InvalidURL as error:
        raise FetchFailed(f"{request.shown} is not an address that can be read.", reason="address") from error
    except httpx2.HTTPError as error:
        raise explained(request.shown, error) from error


@functools.cache
def any_authority() -> ssl.SSLContext:
    """For servers whose certificates staff have chosen not to check."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# -- One client for each event loop, so that connections are kept --------------------------------------------------

_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[bool, bool], AsyncOutboundClient]] = (
    WeakKeyDictionary()
)


def client(*, verifies_tls: bool, allows_private: bool) -> AsyncOutboundClient:
    """The client of this event loop."""
    clients = _by_loop.setdefault(asyncio.get_running_loop(), {})
    key = (verifies_tls, allows_private)
    if key not in clients:
        clients[key] = AsyncOutboundClient(verifies_tls=verifies_tls, allows_private=allows_private)
    return clients[key]


async def close_clients() -> None:
    """Close this event loop's clients."""
    for opened in _by_loop.pop(asyncio.get_running_loop(), {}).values():
        await opened.close()
