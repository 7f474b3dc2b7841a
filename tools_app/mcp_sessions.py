"""Sessions with MCP servers, kept open between calls: one for each server and event loop, closed when idle.

async with used(server) as session:
    await session.client.list_tools()
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from anyio import ClosedResourceError, EndOfStream
from anyio.abc import ObjectReceiveStream

from magnet.outbound import closing
from tools_app import api_sign_in
from tools_app.api_auth import Signature
from tools_app.mcp_transports import Endpoint
from tools_app.mcp_wire import Wire, new_client, watched
from tools_app.models import McpServer

log = structlog.get_logger(__name__)

IDLE_SECONDS = 300.0
CLOSE_SECONDS = 10.0
# The longest message of a list of tools; that of an answer is the server's own setting.
MAX_LISTING_BYTES = 20_000_000


class Heard(ObjectReceiveStream[Any]):
    """What a server sends, and that it has ended, which the SDK tells only to whoever asks next."""

    def __init__(self, stream: Any, *, on_end: Callable[[], None]) -> None:
        self._stream, self._on_end = stream, on_end

    @property
    def last_context(self) -> Any:
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        try:
            return await self._stream.receive()
        except (EndOfStream, ClosedResourceError):
            self._on_end()
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()


class Session:
    """One connection, opened, kept and closed by a task of its own, because the SDK ties it to the task."""

    def __init__(self, server: McpServer) -> None:
        self.key, self.server = key_of(server), server
        self.wire = Wire(MAX_LISTING_BYTES)
        self.client: Any = None
        self.is_new = True
        self._users = 0
        self._is_dead = self._is_ending = False
        self._changed = asyncio.Event()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Without the context of whoever came first: it outlives the request, its trace and its connection.
        self._task = asyncio.create_task(self._live(), context=contextvars.Context())

    @property
    def is_usable(self) -> bool:
        return not self._is_dead and not self._is_ending and not self._task.done()

    async def opened(self) -> None:
        """Raises what kept it from opening. Whoever leaves while it opens does not stop the others."""
        await asyncio.shield(self._opened)

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self.is_new = False
            self._changed.set()

    def end(self) -> None:
        """Takes no more calls, and closes when those that run are through."""
        self._is_ending = True
        self._changed.set()

    def die(self) -> None:
        """The server has gone: there is nothing to wait for."""
        self._is_dead = True
        self._changed.set()

    async def closed(self) -> None:
        self.end()
        _done, late = await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.wait([self._task], timeout=CLOSE_SECONDS)

    async def _live(self) -> None:
        try:
            with watched(self.wire):
                await self._open_and_wait()
        except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
            # Whatever ends it is for those who wait for it; a session that was open is simply opened anew.
            if not self._opened.done():
                self._opened.set_exception(error if isinstance(error, Exception) else ConnectionError("It was closed."))
                # Nobody may be waiting any more.
                self._opened.exception()
            elif not isinstance(error, asyncio.CancelledError):
                log.info("mcp_session_ended", server=self.server.slug, error=type(error).__name__)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self._is_dead = True

    async def _open_and_wait(self) -> None:
        # Seconds of importing, which the others on this loop need not wait for.
        connected = await asyncio.to_thread(_protocol)
        endpoint, opened = endpoint_of(self.server, self.wire), self.server.transport_class.opened
        async with (
            asyncio.timeout(self.server.timeout_seconds) as limit,
            opened(endpoint) as (heard, said),
            connected(Heard(heard, on_end=self.die), said) as client,
        ):
            limit.reschedule(None)
            self.client = client
            self._opened.set_result(None)
            await self._until_idle()

    async def _until_idle(self) -> None:
        is_idle = False
        while not self._is_dead and (self._users or not (is_idle or self._is_ending)):
            self._changed.clear()
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._changed.wait()
                is_idle = False
            except TimeoutError:
                is_idle = True


def _protocol() -> Callable[..., AbstractAsyncContextManager[Any]]:
    from tools_app.mcp_protocol import connected

    return connected


def key_of(server: McpServer) -> str:
    """Of the very settings that it was opened with."""
    names = (
        "pk", "transport", "url", "config", "auth_kind", "auth_config", "encrypted_secrets", "headers",
        "verifies_tls", "allows_private_addresses", "timeout_seconds", "max_response_kb",
    )  # fmt: skip
    state = json.dumps([getattr(server, name) for name in names], sort_keys=True)
    return hashlib.sha256(state.encode()).hexdigest()


def endpoint_of(server: McpServer, wire: Wire) -> Endpoint:
    async def sign(anew: bool) -> Signature | None:
        if anew and not api_sign_in.forget_token(server):
            return None
        return await api_sign_in.signature(server)

    def client() -> Any:
        return new_client(
            url=server.url,
            headers=server.headers,
            sign=sign,
            verifies_tls=server.verifies_tls,
            allows_private=server.allows_private_addresses,
            wire=wire,
        )

    return Endpoint(server.url, server.config, server.secrets, client, max_bytes=MAX_LISTING_BYTES)


# -- One session for each server and event loop --------------------------------------------------------------------

_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, Session]] = WeakKeyDictionary()


@asynccontextmanager
async def used(server: McpServer) -> AsyncIterator[Session]:
    """The session of this server, opened where there is none that lives. Raises what kept it from opening."""
    session = session_of(server)
    async with session.in_use():
        await session.opened()
        yield session


def session_of(server: McpServer) -> Session:
    sessions = _by_loop.setdefault(asyncio.get_running_loop(), {})
    for place, session in list(sessions.items()):
        is_outdated = place == server.pk and session.key != key_of(server)
        if is_outdated or not session.is_usable:
            session.end()
            del sessions[place]
    if server.pk not in sessions:
        sessions[server.pk] = Session(server)
    return sessions[server.pk]


async def close_all() -> None:
    """Close this event loop's sessions."""
    sessions = _by_loop.pop(asyncio.get_running_loop(), {})
    await asyncio.gather(*(session.closed() for session in sessions.values()))


closing.at_end_of_loop(close_all)
