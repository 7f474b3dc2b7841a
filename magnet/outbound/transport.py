"""Connects to the very address that was checked, so that a name cannot change its mind in between (DNS rebinding)."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterable

import httpcore
import httpx

from magnet.errors import AddressRefused
from magnet.outbound.addresses import allowed_addresses

# A name with many dead addresses must not cost one time-out each.
ADDRESSES_TO_TRY = 3


class CheckedTransport(httpx.HTTPTransport):
    """httpx's own transport over a checked network: Host header, TLS name and certificate stay those of the URL."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        context = tls or trusted_authorities()
        super().__init__(verify=context, trust_env=False)
        # httpx takes no network backend. If it ever renames its pool, this fails loudly instead of fetching unchecked.
        assert isinstance(self._pool, httpcore.ConnectionPool)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, network_backend=CheckedNetwork(), max_connections=10, keepalive_expiry=15.0
        )


@functools.cache
def trusted_authorities() -> ssl.SSLContext:
    # SSL_CERT_FILE and SSL_CERT_DIR are honoured: that is how an operator adds the company's own authority.
    return httpx.create_ssl_context(trust_env=True)


class CheckedNetwork(httpcore.NetworkBackend):
    """Resolves, checks and dials in one step."""

    def __init__(self) -> None:
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        for address in resolved(host, port)[:ADDRESSES_TO_TRY]:
            try:
                return self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address.")

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        raise AddressRefused("Sockets of the own machine are not fetched.")


def resolved(host: str, port: int) -> list[str]:
    try:
        return allowed_addresses(host, port=port)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
