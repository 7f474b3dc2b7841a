"""A connection to a model provider as httpcore2 reads and writes it, straight on the event loop.

The library's own way goes through anyio and asks the kernel at each request, for every idle connection, whether the
server has hung up; here the event loop has told us already. It takes half the CPU time of a call's transport.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2

# What came and nobody has read: above the first the server is made to wait, until it is less than the second.
MOST_WAITING_BYTES, FEW_WAITING_BYTES = 256 * 1024, 64 * 1024


async def connect(address: str, port: int, *, timeout: float | None, local_address: str | None) -> Stream:
    """Raises httpcore2's ConnectError and ConnectTimeout."""
    loop = asyncio.get_running_loop()
    local = (local_address, 0) if local_address else None
    with failures_of_connecting():
        async with asyncio.timeout(timeout):
            _, protocol = await loop.create_connection(Protocol, address, port, local_addr=local)
    return Stream(protocol)


@contextmanager
def failures_of_connecting() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(str(error)) from error
    except OSError as error:
        # Refused, reset, unreachable; and ssl.SSLError, which is an OSError.
        raise httpcore2.ConnectError(str(error)) from error


class Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What is there, or what comes first; nothing when the server has ended."""
        protocol = self._protocol
        if not protocol.is_readable:
            await protocol.wait_for("reader", timeout, otherwise=httpcore2.ReadTimeout)
        if protocol.failure is not None and not protocol.received:
            raise httpcore2.ReadError(str(protocol.failure)) from protocol.failure
        return protocol.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        protocol = self._protocol
        if protocol.is_lost or protocol.transport.is_closing():
            raise httpcore2.WriteError("The connection is closed.") from protocol.failure
        if not buffer:
            return
        protocol.transport.write(buffer)
        if protocol.is_full:
            await protocol.wait_for("writer", timeout, otherwise=httpcore2.WriteTimeout)
            if protocol.is_lost:
                raise httpcore2.WriteError("The connection was lost.") from protocol.failure

    async def aclose(self) -> None:
        """Closed when this returns: who leaves a model's answer stops it at once, however busy the loop is then."""
        self._protocol.transport.close()
        await asyncio.sleep(0)
        self._protocol.transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        loop, protocol = asyncio.get_running_loop(), self._protocol
        try:
            with failures_of_connecting():
                async with asyncio.timeout(timeout):
                    transport = await loop.start_tls(
                        protocol.transport, protocol, ssl_context, server_hostname=server_hostname
                    )
                if transport is None:
                    raise ConnectionResetError("The server hung up before TLS began.")
        except BaseException:
            protocol.transport.abort()
            raise
        protocol.transport = transport
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._protocol.is_readable
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._protocol.transport.get_extra_info(names.get(info, info))


class Protocol(asyncio.Protocol):
    """What the event loop tells of one connection, kept until somebody asks."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.received = bytearray()
        self.failure: Exception | None = None
        self.has_ended = self.is_lost = self.is_full = self._is_paused = False
        self._waiting: dict[str, asyncio.Future[None]] = {}

    @property
    def is_readable(self) -> bool:
        """Whether reading would not wait. An idle connection that is readable is one that the server has left."""
        return bool(self.received) or self.has_ended

    def take(self, max_bytes: int) -> bytes:
        taken = bytes(self.received[:max_bytes])
        del self.received[:max_bytes]
        if self._is_paused and len(self.received) < FEW_WAITING_BYTES:
            self._is_paused = False
            self.transport.resume_reading()
        return taken

    async def wait_for(self, who: str, timeout: float | None, *, otherwise: Callable[[], Exception]) -> None:
        """Wait until the event loop has something to tell the reader, or the writer."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting[who] = loop.create_future()
        alarm = None if timeout is None else loop.call_later(timeout, fail, waiting, otherwise)
        try:
            await waiting
        finally:
            self._waiting.pop(who, None)
            if alarm is not None:
                alarm.cancel()

    def _wake(self, *who: str) -> None:
        for name in who:
            waiting = self._waiting.get(name)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    # -- What the event loop calls ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # for a TCP connection it is a Transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        if len(self.received) > MOST_WAITING_BYTES and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()
        self._wake("reader")

    def eof_received(self) -> None:
        self.has_ended = True
        self._wake("reader")

    def connection_lost(self, error: Exception | None) -> None:
        self.failure = error
        self.has_ended = self.is_lost = True
        self._wake("reader", "writer")

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self._wake("writer")


def fail(waiting: asyncio.Future[None], otherwise: Callable[[], Exception]) -> None:
    if not waiting.done():
        waiting.set_exception(otherwise())
