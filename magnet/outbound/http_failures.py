"""Turns what went wrong on the wire into one sentence that says which host, what happened and what to do."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from magnet.errors import FetchFailed

ADVICE = {
    401: "It asks for a sign-in: enter or renew the credentials.",
    403: "It forbids the access: check the rights of the credentials.",
    404: "There is no such page.",
    410: "The page was removed.",
    429: "It asks us to slow down: try again later or set a longer delay.",
}


@contextmanager
def told(url: str, *, timeout_seconds: float) -> Iterator[None]:
    """Raise every failure of httpx as a FetchFailed."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise timed_out(url, seconds=timeout_seconds) from error
    except httpx.InvalidURL as error:
        raise FetchFailed(f"{url} is not an address that can be read: {error}.", reason="address") from error
    except httpx.HTTPError as error:
        raise explained(url, error) from error


def explained(url: str, error: Exception) -> FetchFailed:
    host = urlsplit(url).netloc
    for cause in causes(error):
        if isinstance(cause, socket.gaierror):
            return FetchFailed(f"The host name {host} cannot be found (DNS). Check the address.", reason="dns")
        if isinstance(cause, ConnectionRefusedError):
            return FetchFailed(f"{host} refuses the connection: nothing answers at this port.", reason="refused")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return FetchFailed(f"The certificate of {host} is not trusted: {cause.verify_message}.", reason="tls")
        if isinstance(cause, ssl.SSLError):
            return FetchFailed(f"{host} and we found no common TLS: {cause.reason or cause}.", reason="tls")
    return broken(url, str(error) or type(error).__name__)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that led to it."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def timed_out(url: str, *, seconds: float) -> FetchFailed:
    return FetchFailed(f"{url} did not answer within {seconds:g} seconds.", reason="timeout")


def broken(url: str, detail: str) -> FetchFailed:
    return FetchFailed(f"{url} broke off in the middle or did not speak HTTP: {detail}", reason="broken")


def refused_status(url: str, *, status: int, retry_after_seconds: float | None) -> FetchFailed:
    advice = ADVICE.get(status) or ("The server has a fault: try again later." if status >= 500 else "")
    return FetchFailed(
        f"{url} answered with status {status}. {advice}".strip(),
        retry_after_seconds=retry_after_seconds,
        reason="status",
        remote_status=status,
    )
