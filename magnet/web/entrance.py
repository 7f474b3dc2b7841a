"""The first thing a request meets, before Django reads its body: key, rate, size, origin; and the last: headers, log.

It speaks ASGI, so that a refused upload of 300 MB is never written to a disk.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from django.conf import settings

from magnet.callers import SYSTEM, Caller, bind_caller
from magnet.errors import MagnetError, NotAllowed, NotSignedIn, RateLimited, ServerStopping, TooLarge
from magnet.web import auth, cors, rate_limits, sessions
from magnet.web.problems import problem_body, problem_headers

log = structlog.get_logger("magnet.requests")

Message = Mapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# Closed unless a key or a session opens them.
CLOSED = re.compile(r"/(api|v1|mcp)(/|$)")
REQUEST_ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)
MEGABYTE = 1024 * 1024
# How long a refused upload is read and thrown away: a connection closed at once would lose the answer on its way.
DRAIN_SECONDS = 10.0
LEFT = 499
# The address is the proof of whoever was invited, so the log holds only its beginning.
SECRET_IN_PATH = re.compile(r"(/choose-password/[^/]+/)[^/]+")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


class Entrance:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = Visit(scope, receive, send)
        visit.bind()
        try:
            await self.welcome(visit)
        finally:
            visit.write_log()

    async def welcome(self, visit: Visit) -> None:
        try:
            if visit.is_preflight:
                await visit.send_preflight()
                return
            await visit.admit()
            visit.check_announced_size()
            await self.app(visit.scope, visit.receive, visit.send)
        except MagnetError as refusal:
            await visit.refuse(refusal)
        except asyncio.CancelledError:
            # The server ends and waits no longer; clients that leave never get here.
            await visit.refuse(ServerStopping())


class Visit:
    """One HTTP request and what becomes of it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.started = time.perf_counter()
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.path: str = scope["path"]
        self.status: int | None = None
        self.bytes_received = 0
        self.body_is_read = False
        given = self.headers.get("x-request-id", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex

    def bind(self) -> None:
        self.scope["magnet.request_id"] = self.request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self.request_id)
        bind_caller(replace(SYSTEM, scopes=frozenset(), label="Nobody", request_id=self.request_id))

    # -- Coming in -------------------------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        return CLOSED.match(self.path) is not None

    @property
    def is_preflight(self) -> bool:
        is_asking = self.scope["method"] == "OPTIONS" and "access-control-request-method" in self.headers
        return is_asking and cors.applies_to(self.path)

    async def admit(self) -> None:
        """Check key and rate of a request to a closed address; a session is left to Django."""
        if not self.is_closed:
            return
        key = auth.key_in(self.headers)
        if key is None:
            if f"{settings.SESSION_COOKIE_NAME}=" not in self.headers.get("cookie", ""):
                raise NotSignedIn(f"{auth.HOW_TO_SIGN_IN}, or sign in to the admin.")
            if self.is_long and not await sessions.is_signed_in(self.headers["cookie"]):
                raise NotSignedIn(f"{auth.HOW_TO_SIGN_IN}, or sign in to the admin again.")
            return
        self.check_transport()
        caller = replace(await auth.caller_with_key(key, self.headers), request_id=self.request_id)
        self.scope["magnet.caller"] = caller
        bind_caller(caller)
        structlog.contextvars.bind_contextvars(caller=f"{caller.kind} {caller.id}")
        self.scope["magnet.allowance"] = await rate_limits.spend(caller)

    def check_transport(self) -> None:
        """A key that travels in clear is lost; redirecting would only send it a second time."""
        if settings.SECURE_SSL_REDIRECT and not self.is_secure:
            raise NotAllowed(f"Send API keys only over https ({settings.PUBLIC_URL}).")

    @property
    def is_secure(self) -> bool:
        trusted = settings.SECURE_PROXY_SSL_HEADER
        forwarded = trusted and self.headers.get(trusted[0].removeprefix("HTTP_").replace("_", "-").lower())
        return self.scope.get("scheme") == "https" or bool(trusted and forwarded == trusted[1])

    @property
    def limit(self) -> int:
        is_upload = self.headers.get("content-type", "").startswith("multipart/form-data")
        return int(settings.MAX_UPLOAD_BYTES if is_upload else settings.MAX_JSON_BYTES)

    @property
    def is_long(self) -> bool:
        """Whether a body comes that would be written to the disk before anybody asks whose it is."""
        announced = self.headers.get("content-length", "")
        is_number = announced.isascii() and announced.isdigit()
        return int(announced) > MEGABYTE if is_number else "transfer-encoding" in self.headers

    def check_announced_size(self) -> None:
        announced = self.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced) > self.limit:
            raise self.too_large()

    def too_large(self) -> TooLarge:
        return TooLarge(f"The body may have at most {self.limit // MEGABYTE} MB. Send less, or send it in parts.")

    async def receive(self) -> Message:
        """As the server's, but it counts. Raises TooLarge as soon as more came than is allowed."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.bytes_received += len(message.get("body", b""))
            self.body_is_read = not message.get("more_body", False)
            if self.bytes_received > self.limit:
                raise self.too_large()
        return message

    # -- Going out -------------------------------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self.further_headers(message)]}
        await self._send(message)

    def further_headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in message.get("headers", ())}
        wanted = {"X-Request-ID": self.request_id, **self.limit_headers()}
        wanted |= SECURITY_HEADERS if self.is_closed else {}
        wanted |= cors.headers(self.path, origin=self.headers.get("origin", ""))
        if settings.SECURE_HSTS_SECONDS and self.is_secure:
            wanted["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
        pairs = ((name.encode("latin-1"), value.encode("latin-1")) for name, value in wanted.items())
        return [(name, value) for name, value in pairs if name.lower() not in present or name == b"Vary"]

    def limit_headers(self) -> dict[str, str]:
        caller: Caller | None = self.scope.get("magnet.caller")
        allowance = self.scope.get("magnet.allowance") or (rate_limits.allowance(caller) if caller else None)
        return allowance.headers() if allowance else {}

    async def send_preflight(self) -> None:
        origin = self.headers.get("origin", "")
        if not cors.allows(origin):
            raise NotAllowed(f"Pages of {origin or 'nowhere'} may not call this API. Add them to MAGNET_CORS_ORIGINS.")
        headers = [(name.encode(), value.encode()) for name, value in cors.PREFLIGHT_HEADERS.items()]
        await self.send({"type": "http.response.start", "status": 204, "headers": headers})
        await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, error: MagnetError) -> None:
        """Answer with Problem Details; then read what still comes, or the client would never see the answer."""
        if self.status is not None:
            log.error("refused_too_late", code=error.code, detail=error.detail)
            return
        body = problem_body(error, instance=self.path, request_id=self.request_id)
        named = {**problem_headers(error, instance=self.path), "Content-Length": str(len(body))}
        if not isinstance(error, RateLimited):
            named["Connection"] = "close"
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        await self.drain()
        await self.send({"type": "http.response.body", "body": b""})

    async def drain(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.body_is_read:
                    message = await self._receive()
                    self.body_is_read = not message.get("more_body", False)

    def write_log(self) -> None:
        milliseconds = (time.perf_counter() - self.started) * 1000
        # Probes call every few seconds and say nothing new.
        write = log.debug if self.path.startswith("/health/") else log.info
        write(
            "request",
            method=self.scope["method"],
            path=SECRET_IN_PATH.sub(r"\1…", self.path),
            status=self.status or LEFT,
            duration_ms=round(milliseconds, 1),
            client=(self.scope.get("client") or ("",))[0],
        )
