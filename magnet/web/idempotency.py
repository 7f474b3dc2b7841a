"""Writes that may be sent twice and are carried out once: the answer is kept for 24 hours under the caller's key."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from magnet.callers import Caller
from magnet.database import in_database
from magnet.encryption import decrypt, encrypt
from magnet.errors import Conflict, InvalidInput
from magnet.models import IdempotentRequest
from magnet.web.auth import caller_of
from magnet.web.problems import respond_to

log = structlog.get_logger(__name__)

Run = Callable[..., Awaitable[HttpResponseBase]]

KEPT_FOR = timedelta(hours=24)
# While it is carried out, a request gives a sign of life so often: an answer may take longer than anybody thinks.
BEAT_SECONDS = 30.0
# A request that gave no sign of life for so long was cut off by a crash; its key is free again.
ABANDONED_AFTER = timedelta(minutes=5)
WRITES = {"POST", "PUT", "PATCH", "DELETE"}
MAX_KEY_CHARACTERS = 255
REPLAYED_HEADERS = ("Content-Type", "Location", "ETag")

# Strong references: the event loop keeps only weak ones.
_running: set[asyncio.Task[HttpResponseBase]] = set()


def idempotent(run: Run) -> Run:
    """Around every operation: does something only for writes that carry an Idempotency-Key, and not for streams."""

    @wraps(run)
    async def once(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = request.headers.get("Idempotency-Key")
        if key is None or request.method not in WRITES or "text/event-stream" in request.headers.get("Accept", ""):
            return await run(request, *args, **kwargs)
        try:
            caller = await caller_of(request)
            claim = Claim(caller, key, await asyncio.to_thread(_fingerprint, request))
            kept = await in_database(claim.make)
        except Exception as exception:  # noqa: BLE001 - respond_to() logs what nobody foresaw
            return respond_to(request, exception)
        if kept is not None:
            return _replayed(kept)
        return await _to_its_end(claim, run(request, *args, **kwargs))

    return once


async def _to_its_end(claim: Claim, work: Awaitable[HttpResponseBase]) -> HttpResponseBase:
    """Carried out and kept even when the client leaves: for its next try the key is there."""
    task = asyncio.ensure_future(_carried_out(claim, work))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return await asyncio.shield(task)


async def _carried_out(claim: Claim, work: Awaitable[HttpResponseBase]) -> HttpResponseBase:
    response: HttpResponseBase | None = None
    beating = asyncio.create_task(_beat(claim))
    try:
        response = await work
        return response
    finally:
        beating.cancel()
        # What failed on our side may be tried again with the same key.
        if isinstance(response, HttpResponse) and response.status_code < 500:
            await in_database(claim.keep, response)
        else:
            await in_database(claim.release)


async def _beat(claim: Claim) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        try:
            await in_database(claim.beat)
        except DatabaseError as error:
            log.warning("sign_of_life_missed", error=str(error))


class Claim:
    """One caller's use of one key for one request."""

    def __init__(self, caller: Caller, key: str, fingerprint: str) -> None:
        if not key or len(key) > MAX_KEY_CHARACTERS or not key.isprintable():
            raise InvalidInput(f"An Idempotency-Key has 1 to {MAX_KEY_CHARACTERS} printable characters.")
        self.caller, self.key, self.fingerprint = f"{caller.kind}:{caller.id}", key, fingerprint

    def make(self) -> IdempotentRequest | None:
        """None when the request is ours to carry out, else the one whose answer is kept."""
        row, is_new = IdempotentRequest.objects.get_or_create(
            caller=self.caller, key=self.key, defaults={"fingerprint": self.fingerprint}
        )
        if is_new or self._take_over(row):
            return None
        if row.fingerprint != self.fingerprint:
            raise InvalidInput("This Idempotency-Key was used for another request. Use a new key for each request.")
        if row.status is None:
            raise Conflict("The first request with this Idempotency-Key is still running.", retry_after_seconds=1)
        return row

    def _take_over(self, row: IdempotentRequest) -> bool:
        age = timezone.now() - row.created_at
        if age < (ABANDONED_AFTER if row.status is None else KEPT_FOR):
            return False
        # Only one of several that try at this moment finds the row as it was.
        unchanged = IdempotentRequest.objects.filter(pk=row.pk, created_at=row.created_at)
        fresh = {"created_at": timezone.now(), "fingerprint": self.fingerprint, "status": None, "body": None}
        return unchanged.update(**fresh) == 1

    @property
    def _rows(self) -> Any:
        return IdempotentRequest.objects.filter(caller=self.caller, key=self.key, status=None)

    def beat(self) -> None:
        self._rows.update(created_at=timezone.now())

    def keep(self, response: HttpResponse) -> None:
        headers = {name: response[name] for name in REPLAYED_HEADERS if name in response}
        # Encrypted: the answer may hold a new API key, which is stored nowhere in clear.
        body = encrypt(response.content.decode()).encode()
        self._rows.update(status=response.status_code, headers=headers, body=body)

    def release(self) -> None:
        self._rows.delete()


def _replayed(row: IdempotentRequest) -> HttpResponse:
    body = decrypt(bytes(row.body or b"").decode()) or ""
    return HttpResponse(body, status=row.status, headers={**row.headers, "Idempotent-Replayed": "true"})


def _fingerprint(request: HttpRequest) -> str:
    """What makes two requests the same. A form is compared by its parts: its boundary is new each time."""
    acts_for = [request.headers.get(name, "") for name in ("Magnet-Person", "Magnet-Groups")]
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()} {acts_for}\n".encode())
    if request.content_type != "multipart/form-data":
        digest.update(request.body)
        return digest.hexdigest()
    for name, values in sorted(request.POST.lists()):
        digest.update(repr((name, values)).encode())
    for name, files in sorted(request.FILES.lists()):
        for file in files:
            digest.update(repr((name, file.name, file.size)).encode())
            for part in file.chunks():
                digest.update(part)
            file.seek(0)
    return digest.hexdigest()
