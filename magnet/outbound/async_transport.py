"""The checked transport for async clients (the model providers): dials only addresses that were checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

from magnet.errors import AddressRefused
from magnet.outbound import async_stream
from magnet.outbound.addresses import permitted
from magnet.outbound.transport import ADDRESSES_TO_TRY, trusted_authorities


class CheckedAsyncTransport(httpx2.AsyncHTTPTransport):
    """httpx2's own transport over a checked network. AddressRefused passes through `openai` as it is."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, max_connections: int = 100, allows_private: bool = True
    ) -> None:
        context = tls or trusted_authorities()
        super().__init__(verify=context, trust_env=False)
        # httpx2 takes no network backend. If it ever renames its pool, this fails loudly instead of calling unchecked.
        assert isinstance(self._pool, httpcore2.AsyncConnectionPool)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            network_backend=CheckedAsyncNetwork(allows_private=allows_private),
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=30.0,
        )


class CheckedAsyncNetwork(httpcore2.AsyncNetworkBackend):
    """Resolves, checks and dials in one step."""

    def __init__(self, *, allows_private: bool = True) -> None:
        self._allows_private = allows_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failure: Exception | None = None
        addresses = await resolved(host, port, timeout=timeout, allows_private=self._allows_private)
        for address in addresses[:ADDRESSES_TO_TRY]:
            try:
                return await async_stream.connect(address, port, timeout=timeout, local_address=local_address)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"{host} has no address.")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        raise AddressRefused("Sockets of the own machine are not called.")


async def resolved(host: str, port: int, *, timeout: float | None, allows_private: bool = True) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(f"The name {host} was not resolved in time.") from error
    except OSError as error:
        raise httpcore2.ConnectError(str(error)) from error
    found = (str(answer[4][0]) for answer in answers)
    return permitted(found, host=host, port=port, allows_private=allows_private)
