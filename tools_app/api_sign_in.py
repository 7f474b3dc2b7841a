"""Signs requests to APIs, and keeps the tokens that OAuth gives until they end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from magnet.callers import current_caller
from magnet.errors import FetchFailed, NotConfigured, ToolError
from magnet.outbound import async_http
from magnet.outbound.http import Response
from magnet.tracing import span
from tools_app.api_auth import Auth, Signature, TokenRequest
from tools_app.api_responses import without
from tools_app.models.remote_servers import RemoteServer
from tools_app.openapi.arguments import FORM

MOST_TOKENS = 1_000
MAX_TOKEN_BYTES = 100_000
# Of a server that does not say how long its token lasts (RFC 6749, 5.1, recommends to say it).
USUAL_SECONDS = 300.0
# A token is asked for anew a little before it ends.
MARGIN_SECONDS = 30.0

_tokens: dict[str, tuple[str, float]] = {}
# The tokens that are being asked for, on each event loop.
_asking: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Task[str]]] = WeakKeyDictionary()


async def signature(server: RemoteServer) -> Signature:
    """What a call to this server carries. Raises NotConfigured, InvalidInput and ToolError."""
    auth = opened(server)
    asked = auth.token_request()
    token = "" if asked is None else await token_for(server, asked)
    return auth.sign(token=token, variables=current_caller().variables)


def opened(server: RemoteServer) -> Auth:
    try:
        return server.open_auth()
    except ValidationError as error:
        raise NotConfigured(
            f"The sign-in of “{server.name}” is not complete: enter its secrets in the admin."
        ) from error


def secrets_of(server: RemoteServer, signed: Signature) -> Iterable[str]:
    """Everything that must not be read in an answer."""
    return {*signed.secrets, *(str(value) for value in server.secrets.values())}


def forget_token(server: RemoteServer, *, refused: Signature | None = None) -> bool:
    """Whether there was one; the next call asks for another.

    With what was `refused`, a token that another call has got since then stays, and serves the next call.
    """
    token, _ends_at = _tokens.get(key_of(server), ("", 0.0))
    if token and (refused is None or any(token in value for value in refused.headers.values())):
        del _tokens[key_of(server)]
    return bool(token)


def key_of(server: RemoteServer) -> str:
    """Of the very settings that it was had with."""
    state = json.dumps([server.pk, server.auth_kind, server.auth_config, server.encrypted_secrets], sort_keys=True)
    return hashlib.sha256(state.encode()).hexdigest()


async def token_for(server: RemoteServer, asked: TokenRequest) -> str:
    """The token that is kept, or a new one, which all who need it at the same time wait for together."""
    key = key_of(server)
    token, ends_at = _tokens.get(key, ("", 0.0))
    if token and time.monotonic() < ends_at:
        return token
    running = _asking.setdefault(asyncio.get_running_loop(), {})
    if joined := running.get(key):
        with suppress(ToolError):
            return await asyncio.shield(joined)
        # What failed another call need not fail this one: once more, again together with all who wait.
    if key not in running:
        running[key] = asyncio.create_task(asked_for(server, asked, key=key))
        running[key].add_done_callback(lambda task: ended(running, key, task))
    # A caller who leaves does not take the token away from the others.
    return await asyncio.shield(running[key])


def ended(running: dict[str, asyncio.Task[str]], key: str, task: asyncio.Task[str]) -> None:
    if running.get(key) is task:
        del running[key]
    if not task.cancelled():
        # Looked at, so that a failure is not reported as unseen when all who waited have left.
        task.exception()


async def asked_for(server: RemoteServer, asked: TokenRequest, *, key: str) -> str:
    with span("sign in", host=urlsplit(asked.url).hostname or ""):
        token, seconds = await fetched(server, asked)
    if len(_tokens) >= MOST_TOKENS:
        _tokens.clear()
    _tokens[key] = (token, time.monotonic() + max(0.0, seconds - min(MARGIN_SECONDS, seconds / 10)))
    return token


async def fetched(server: RemoteServer, asked: TokenRequest) -> tuple[str, float]:
    request = async_http.Request(
        "POST",
        asked.url,
        max_bytes=MAX_TOKEN_BYTES,
        total_seconds=server.timeout_seconds,
        headers={"Accept": "application/json", "Content-Type": FORM},
        secret_headers=asked.headers,
        content=urlencode(asked.form).encode(),
        is_repeatable=True,
    )
    client = async_http.client(verifies_tls=server.verifies_tls, allows_private=server.allows_private_addresses)
    try:
        response = await client.send(request)
    except FetchFailed as error:
        raise ToolError(f"No token could be had: {error.detail}") from error
    told = answer_of(response)
    token = told.get("access_token")
    if response.status != 200 or not isinstance(token, str) or not token:
        reason = told.get("error_description") or told.get("error") or "it named no reason"
        said = without(str(reason)[:300].encode(), server.secrets.values()).decode("utf-8", "replace")
        raise ToolError(f"{request.shown} gave no token (status {response.status}): {said}. Check the sign-in.")
    return token, seconds_of(told.get("expires_in"))


def answer_of(response: Response) -> dict[str, Any]:
    try:
        told = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def seconds_of(value: Any) -> float:
    try:
        return min(max(float(value), 0.0), 86_400.0)
    except (TypeError, ValueError, OverflowError):
        return USUAL_SECONDS


def token_of(server: RemoteServer) -> set[str]:
    """The token that is in use, which must not be read in an answer."""
    token, _ends_at = _tokens.get(key_of(server), ("", 0.0))
    return {token} if token else set()
