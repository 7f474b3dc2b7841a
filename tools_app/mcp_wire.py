"""The HTTP of MCP sessions: only addresses that may be called, limits on what is read, and signed requests."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from magnet.errors import AddressRefused, FetchFailed, MagnetError
from magnet.outbound.async_http import any_authority
from magnet.outbound.async_transport import CheckedAsyncTransport
from magnet.outbound.http import user_agent
from magnet.outbound.http_failures import explained
from magnet.outbound.transport import trusted_authorities
from tools_app.api_auth import Signature

CONNECT_SECONDS = 15.0


@dataclass
class Wire:
    """What one exchange may read, and what was seen on its way: the SDK tells of a failure less than this."""

    max_bytes: int
    status: int = 0
    location: str = ""
    failure: Exception | None = None

    def note(self, response: httpx2.Response) -> None:
        if response.status_code >= 300:
            self.status = response.status_code
        if response.has_redirect_location:
            target = response.request.url.join(response.headers["location"])
            self.location = str(target.copy_with(userinfo=b"", query=None, fragment=None))


# Tasks of the SDK see the context of whoever asked, so that two calls at once do not mix up their failures.
_current: ContextVar[Wire | None] = ContextVar("mcp_wire", default=None)


def current_wire() -> Wire | None:
    return _current.get()


@contextmanager
def watched(wire: Wire) -> Any:
    token = _current.set(wire)
    try:
        yield wire
    finally:
        _current.reset(token)


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Our checked transport, which counts what is read and remembers what went wrong."""

    def __init__(self, *, tls: ssl.SSLContext, allows_private: bool, wire: Wire) -> None:
        self._checked = CheckedAsyncTransport(tls=tls, allows_private=allows_private)
        self._wire = wire

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        wire = _current.get() or self._wire
        try:
            response = await self._checked.handle_async_request(request)
        except AddressRefused as error:
            wire.failure = error
            raise
        except httpx2.TransportError as error:
            wire.failure = explained(f"{request.url.scheme}://{request.url.netloc.decode()}", error)
            raise
        response.request = request
        wire.note(response)
        is_counted = request.method != "GET"
        response.stream = Limited(response, wire, limit=wire.max_bytes if is_counted else None)
        return response

    async def aclose(self) -> None:
        await self._checked.aclose()


class Limited(httpx2.AsyncByteStream):
    """A body that is cut where it grows too large. What answers a GET lasts: the SDK limits each of its messages."""

    def __init__(self, response: httpx2.Response, wire: Wire, *, limit: int | None) -> None:
        self._inner: Any = response.stream
        self._wire, self._limit = wire, limit
        self._encoding = response.headers.get("content-encoding", "").strip().lower()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._encoding not in ("", "identity"):
            raise self._refused(f"The server packs its answers as {self._encoding!r}, which was not asked for.")
        count = 0
        async for part in self._inner:
            count += len(part)
            if self._limit is not None and count > self._limit:
                raise self._refused(
                    f"The answer is larger than {self._limit / 1024:,.0f} KB, the most that is read of this server."
                )
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _refused(self, said: str) -> httpx2.StreamError:
        self._wire.failure = FetchFailed(said, reason="too_large")
        return httpx2.StreamError(said)


# Gives the signature of the moment; with True a new one, or None where there is no newer one to be had.
Sign = Callable[[bool], Coroutine[Any, Any, Signature | None]]


class Signed(httpx2.Auth):
    """Signs what goes to the server's own origin, and once more where a token ended early."""

    def __init__(self, sign: Sign, *, url: str) -> None:
        self._sign, self._origin = sign, urlsplit(url)[:2]

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if (request.url.scheme, request.url.netloc.decode()) != self._origin and not self._is_same(request):
            yield request
            return
        response = yield self._with(request, await self._signature(anew=False))
        if response.status_code == 401 and (newer := await self._signature(anew=True)) is not None:
            yield self._with(request, newer)

    async def _signature(self, *, anew: bool) -> Signature | None:
        try:
            return await self._sign(anew)
        except MagnetError as error:
            if (wire := _current.get()) is not None:
                wire.failure = error
            raise

    def _is_same(self, request: httpx2.Request) -> bool:
        own = httpx2.URL("://".join(self._origin))
        return (own.scheme, own.host, own.port) == (request.url.scheme, request.url.host, request.url.port)

    def _with(self, request: httpx2.Request, signature: Signature | None) -> httpx2.Request:
        if signature is not None:
            request.headers.update(dict(signature.headers))
            request.url = request.url.copy_merge_params(dict(signature.query)) if signature.query else request.url
        return request


def new_client(
    *, url: str, headers: dict[str, str], sign: Sign, verifies_tls: bool, allows_private: bool, wire: Wire
) -> httpx2.AsyncClient:
    tls = trusted_authorities() if verifies_tls else any_authority()
    return httpx2.AsyncClient(
        transport=GuardedTransport(tls=tls, allows_private=allows_private, wire=wire),
        auth=Signed(sign, url=url),
        headers={**headers, "User-Agent": user_agent(), "Accept-Encoding": "identity"},
        # How long an answer may take is kept by whoever waits for it; a session itself lasts.
        timeout=httpx2.Timeout(CONNECT_SECONDS, read=None),
        follow_redirects=False,
        trust_env=False,
    )
