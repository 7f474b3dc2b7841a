"""API keys over the API: made with no more rights than their maker has, shown once, revoked for good."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router

from magnet.api.listing import Listing, Page, page
from magnet.api.schemas import ApiKeyOut, IssuedApiKey, NewApiKey
from magnet.callers import Caller, current_caller, normalized_groups
from magnet.database import in_database
from magnet.errors import InvalidInput, NotAllowed, NotFound
from magnet.models import ApiKey, AuditEntry, User
from magnet.scopes import SCOPES, unknown_scopes
from magnet.web.auth import Needs

router = Router(tags=["API keys"])
READ, WRITE = Needs("api-keys:read"), Needs("api-keys:write")
COLUMNS = tuple(name for name in ApiKeyOut.model_fields if name != "owner")
BIGGEST = 2**63 - 1


@router.get("", response=Page[ApiKeyOut], auth=READ)
async def list_api_keys(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the API keys, without their secrets."""
    rows = ApiKey.objects.select_related("owner")
    search_in, order_by = ("name", "prefix"), ("name", "created_at", "expires_at", "last_used_at")
    return await in_database(partial(page, rows, listing, show=show, search_in=search_in, order_by=order_by))


@router.post("", response={201: IssuedApiKey}, auth=WRITE)
async def create_api_key(request: HttpRequest, response: HttpResponse, body: NewApiKey) -> Any:
    """Make a key. The answer is the only time that it is shown."""
    issued = await in_database(_issue, body)
    response["Location"] = f"/api/api-keys/{issued.id}"
    return issued


@router.get("/{key_id}", response=ApiKeyOut, auth=READ)
async def get_api_key(request: HttpRequest, key_id: int) -> Any:
    """Show an API key, without its secret."""
    return await in_database(lambda: show(find(key_id)))


@router.delete("/{key_id}", response=ApiKeyOut, auth=WRITE)
async def revoke_api_key(request: HttpRequest, key_id: int) -> Any:
    """Revoke a key: it opens nothing any more, and stays in the list."""
    return await in_database(_revoke, key_id)


def find(key_id: int) -> ApiKey:
    row: ApiKey | None = None
    if abs(key_id) <= BIGGEST:
        row = ApiKey.objects.select_related("owner").filter(pk=key_id).first()
    if row is None:
        raise NotFound(f"There is no API key with the id {key_id}.")
    return row


def show(key: ApiKey) -> ApiKeyOut:
    fields = {name: getattr(key, name) for name in COLUMNS}
    return ApiKeyOut(**fields, owner=str(key.owner) if key.owner else None)


@transaction.atomic
def _issue(body: NewApiKey) -> IssuedApiKey:
    caller = current_caller()
    maker = ApiKey.objects.select_related("owner").get(pk=caller.id) if caller.kind == "key" else None
    _check(body, caller, maker)
    row, key = ApiKey.objects.issue(
        name=body.name,
        scopes=sorted(set(body.scopes)),
        owner=maker.owner if maker else User.objects.get(pk=caller.id),
        expires_at=body.expires_at,
        requests_per_minute=body.requests_per_minute or (maker.requests_per_minute if maker else None),
        document_groups=body.document_groups,
    )
    AuditEntry.record("made", row, scopes=row.scopes)
    return IssuedApiKey(**show(row).model_dump(), key=key)


def _check(body: NewApiKey, caller: Caller, maker: ApiKey | None) -> None:
    """A key hands on no more than it has: neither scopes, nor time, nor speed."""
    if unknown := unknown_scopes(body.scopes):
        said = f"Unknown scopes: {', '.join(unknown)}."
        raise InvalidInput(said, errors={"scopes": [said]}, allowed=list(SCOPES))
    if lacking := sorted(scope for scope in set(body.scopes) if not caller.may(scope)):
        raise NotAllowed(f"You cannot grant what you lack: {', '.join(lacking)}.", scopes=lacking)
    beyond = set(normalized_groups(body.document_groups)) - set(caller.groups or ())
    if caller.groups is not None and beyond:
        raise NotAllowed(f"You cannot grant documents of groups that you lack: {', '.join(sorted(beyond))}.")
    if body.expires_at is not None and (timezone.is_naive(body.expires_at) or body.expires_at <= timezone.now()):
        said = "Name a moment in the future, with its time zone, such as 2030-01-31T12:00:00Z."
        raise InvalidInput(said, errors={"expires_at": [said]})
    if maker is None:
        return
    if maker.expires_at and (body.expires_at is None or body.expires_at > maker.expires_at):
        raise NotAllowed(f"A key made with this one must expire by {maker.expires_at:%Y-%m-%dT%H:%M:%SZ}.")
    if maker.requests_per_minute and (body.requests_per_minute or 0) > maker.requests_per_minute:
        raise NotAllowed(f"A key made with this one may call {maker.requests_per_minute} times a minute at most.")


@transaction.atomic
def _revoke(key_id: int) -> ApiKeyOut:
    key = find(key_id)
    key.revoke()
    AuditEntry.record("revoked", key)
    return show(key)
