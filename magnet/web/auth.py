"""Who may come in: API keys and signed-in people become a Caller, and every endpoint names the scope it needs."""

from __future__ import annotations

import asyncio
import contextvars
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.utils import timezone
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from magnet.callers import RESTRICTED, Caller, bind_caller, names_of, normalized_groups
from magnet.database import cached, in_database
from magnet.errors import NotAllowed, NotSignedIn
from magnet.models.access import ApiKey, hash_secret
from magnet.scopes import ALL, narrowed, scopes_from
from magnet.web import rate_limits

if TYPE_CHECKING:
    from magnet.models.users import User

log = structlog.get_logger(__name__)

KEY_SHAPE = re.compile(r"mgt_[0-9a-f]{8}_[A-Za-z0-9_-]{20,100}")
HOW_TO_SIGN_IN = "Send an API key in the header Authorization: Bearer mgt_…"
NOTE_USE_EVERY_SECONDS = 60.0


@dataclass(frozen=True)
class KnownKey:
    """A key as this process remembers it for some seconds."""

    caller: Caller
    expires_at: datetime | None
    # Why it no longer opens anything; empty while it does.
    refusal: str


# -- API keys ------------------------------------------------------------------------------------------------------


def key_in(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries; None when it carries no credentials. Raises NotSignedIn for other kinds."""
    authorization = headers.get("authorization", "")
    if not authorization:
        return headers.get("x-api-key") or None
    kind, _, key = authorization.partition(" ")
    if kind.lower() != "bearer":
        raise NotSignedIn(f"{kind[:20]} credentials are not known here. {HOW_TO_SIGN_IN}.")
    return key.strip()


async def caller_with_key(key: str, headers: Mapping[str, str]) -> Caller:
    """The caller behind a key, acting for whom the headers name (their names in small letters).

    Raises NotSignedIn; only who holds a whole key learns that it expired or was revoked.
    """
    if not KEY_SHAPE.fullmatch(key):
        raise NotSignedIn(f"This is not an API key of Magnet. {HOW_TO_SIGN_IN}.")
    known: KnownKey = await cached(("api-key", hash_secret(key)), lambda: _load_key(key))
    if known.refusal:
        raise NotSignedIn(known.refusal)
    if known.expires_at is not None and known.expires_at <= timezone.now():
        raise NotSignedIn(f"This API key expired on {known.expires_at:%Y-%m-%d}. Make a new one.")
    _note_use(known.caller.id)
    return await acting_for(known.caller, headers)


def _load_key(key: str) -> KnownKey:
    row: ApiKey | None = ApiKey.objects.find(key)
    if row is None:
        # Raised here, so that guesses do not fill the memory: errors are not remembered.
        raise NotSignedIn("This API key is not known. Copy it again, or make a new one.")
    return known_key(row)


def known_key(row: ApiKey) -> KnownKey:
    scopes = frozenset(row.scopes)
    if row.owner is not None:
        scopes = narrowed(scopes, to=scopes_of(row.owner))
    caller = Caller(
        kind="key",
        id=str(row.pk),
        label=row.name,
        scopes=scopes,
        groups=_groups_of_key(row, scopes),
        requests_per_minute=row.requests_per_minute,
    )
    return KnownKey(caller, row.expires_at, _refusal(row))


def _groups_of_key(row: ApiKey, scopes: frozenset[str]) -> tuple[str, ...] | None:
    """Those that the key was given, within those of its owner now: it never finds more than its owner does."""
    groups = _groups(scopes, row.document_groups)
    limit = caller_for(row.owner).groups if row.owner is not None else None
    return groups if groups is None or limit is None else tuple(name for name in groups if name in limit)


def _refusal(row: ApiKey) -> str:
    if row.revoked_at is not None:
        return f"This API key was revoked on {row.revoked_at:%Y-%m-%d}. Use another one."
    if row.owner is not None and not row.owner.is_active:
        return "The owner of this API key is no longer active. Use a key of somebody else."
    return ""


# -- When a key was last used ------------------------------------------------------------------------------------

_noted: dict[str, float] = {}
# Strong references: the event loop keeps only weak ones.
_notes: set[asyncio.Task[None]] = set()


def _note_use(key_id: str) -> None:
    """Once a minute and off the request's path; in a context of its own, because the request ends before."""
    now = time.monotonic()
    if now - _noted.get(key_id, -NOTE_USE_EVERY_SECONDS) < NOTE_USE_EVERY_SECONDS:
        return
    _noted[key_id] = now
    task = asyncio.get_running_loop().create_task(_write_use(key_id), context=contextvars.Context())
    _notes.add(task)
    task.add_done_callback(_notes.discard)


async def _write_use(key_id: str) -> None:
    try:
        await in_database(lambda: ApiKey.objects.filter(pk=key_id).update(last_used_at=timezone.now()))
    except DatabaseError as error:
        log.warning("key_use_not_noted", key=key_id, error=str(error))


# -- People ------------------------------------------------------------------------------------------------------


def scopes_of(user: User) -> frozenset[str]:
    """What a person may do through the API: all, or what their permissions say."""
    if not user.is_active:
        return frozenset()
    return frozenset({ALL}) if user.is_superuser else scopes_from(user.get_all_permissions())


def caller_for(user: User) -> Caller:
    scopes = scopes_of(user)
    # An address that nobody has proved may be that of somebody else, with whom documents are shared.
    proved = names_of(user.email) if user.has_verified_email else ()
    groups = _groups(scopes, [*user.document_groups, *proved])
    return Caller(kind="user", id=str(user.pk), label=str(user), scopes=scopes, person=user.email, groups=groups)


def _groups(scopes: frozenset[str], groups: Iterable[str]) -> tuple[str, ...] | None:
    """Whose documents may be found: None, which is all, only for who has the right to it."""
    return None if {ALL, RESTRICTED} & scopes else normalized_groups(groups)


async def acting_for(caller: Caller, headers: Mapping[str, str]) -> Caller:
    """The caller narrowed to the person and the groups that the request names; headers may only take away.

    Without groups, a person who is known here brings their own (`groups_of`). Names may be percent-encoded.
    """
    person, groups = headers.get("magnet-person"), headers.get("magnet-groups")
    if person is None and groups is None:
        return caller
    person = unquote(person or "").strip()
    if groups is None:
        return caller.acting_for(person, await groups_of(person))
    return caller.acting_for(person, [unquote(name) for name in groups.split(",")])


async def groups_of(person: str) -> tuple[str, ...]:
    """The groups of documents of a person who is known here by this address, and none for anybody else."""
    return await cached(("groups-of", person.casefold()), lambda: _groups_of(person))


def _groups_of(person: str) -> tuple[str, ...]:
    from magnet.models.users import User

    # PostgreSQL has no text with NUL, so neither has any person.
    known = User.objects.filter(email__iexact=person.replace("\0", " "), is_active=True).first()
    # An address that nobody has proved may be that of somebody else than whoever the account was made for.
    return tuple(known.document_groups) if known is not None and known.has_verified_email else ()


def _caller_of_session(request: HttpRequest) -> Caller | None:
    user: Any = getattr(request, "user", None)
    try:
        return caller_for(user) if user is not None and user.is_authenticated else None
    finally:
        # The request may now wait for a model, and would keep this connection until its end.
        if not connection.in_atomic_block:
            connection.close()


# -- What endpoints ask ------------------------------------------------------------------------------------------


async def caller_of(request: HttpRequest) -> Caller:
    """The caller of a request, bound for everything below. Raises NotSignedIn."""
    known: Caller | None = getattr(request, "caller", None)
    if known is not None:
        return known
    caller = await sync_to_async(_caller_of_session)(request)
    if caller is None:
        raise NotSignedIn(f"{HOW_TO_SIGN_IN}, or sign in to the admin.")
    if check_csrf(request) is not None:
        raise NotAllowed("The CSRF token is missing or wrong. Send it in the header X-CSRFToken, or use an API key.")
    caller = bind(request, await acting_for(caller, request.headers))
    # Keys were counted at the entrance; whose session it is, is known only here.
    await rate_limits.spend(caller)
    return caller


def bind(request: HttpRequest, caller: Caller) -> Caller:
    caller = replace(caller, request_id=getattr(request, "request_id", ""))
    request.caller = caller  # type: ignore[attr-defined]
    bind_caller(caller)
    structlog.contextvars.bind_contextvars(caller=f"{caller.kind} {caller.id}")
    scope: dict[str, Any] = getattr(request, "scope", {})
    scope["magnet.caller"] = caller
    return caller


class Needs(AuthBase):
    """The `auth` of an endpoint: a signed-in caller with this scope, or with one of the others that do as well."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, scope: str, *others: str) -> None:
        self.openapi_description = "An API key (mgt_…), or the session of somebody signed in to the admin."
        super().__init__()
        self.scope, self.others = scope, others
        self.is_async = True

    async def __call__(self, request: HttpRequest) -> Caller:
        caller = await caller_of(request)
        if not any(map(caller.may, (self.scope, *self.others))):
            raise NotAllowed(
                f"This needs the scope {self.scope}. Use an API key that has it, or ask an administrator for it.",
                scope=self.scope,
            )
        return caller
