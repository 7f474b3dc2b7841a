"""API servers over the API: added, changed, tested, and filled with tools from an OpenAPI document."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from magnet import configuration
from magnet.api.listing import Listing, Page, page
from magnet.database import in_database
from magnet.errors import InvalidInput
from magnet.web.auth import Needs
from tools_app import api_calls, api_imports, openapi
from tools_app.api_auth import AUTHS, auth_kind
from tools_app.api_tool_schemas import (
    ApiServerChanges,
    ApiServerOut,
    ApiServerReached,
    Import,
    ImportOut,
    NewApiServer,
)
from tools_app.models import ApiServer

router = Router(tags=["API servers"])
READ, WRITE = Needs("api-servers:read"), Needs("api-servers:write")
COLUMNS = tuple(name for name in ApiServerOut.model_fields if name != "tags")


@router.get("", response=Page[ApiServerOut], auth=READ)
async def list_api_servers(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the API servers."""
    columns = ("name", "slug", "created_at", "updated_at")
    return await in_database(partial(page, rows(), listing, show=show, search_in=("name", "slug"), order_by=columns))


@router.post("", response={201: ApiServerOut}, auth=WRITE)
async def create_api_server(request: HttpRequest, response: HttpResponse, body: NewApiServer) -> Any:
    """Add an API server; import a document next, or add tools one by one."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/api-servers/{created.slug}"
    return created


@router.get("/{slug}", response=ApiServerOut, auth=READ)
async def get_api_server(request: HttpRequest, slug: str) -> Any:
    """Show an API server."""
    return await in_database(lambda: show(find(slug)))


@router.patch("/{slug}", response=ApiServerOut, auth=WRITE)
async def change_api_server(request: HttpRequest, slug: str, body: ApiServerChanges) -> Any:
    """Change an API server. Another address or kind of sign-in forgets the secrets that are not sent with it."""
    return await in_database(_change, slug, body)


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_api_server(request: HttpRequest, slug: str, with_tools: bool = False) -> Any:
    """Remove an API server that has no tools, or with_tools those, too, unless something uses one of them."""
    await in_database(lambda: configuration.remove(find(slug), with_parts=with_tools, parameter="with_tools"))


@router.post("/{slug}/test", response=ApiServerReached, auth=WRITE)
async def test_api_server(request: HttpRequest, slug: str) -> Any:
    """Prove that the server answers and takes the sign-in."""
    return {"message": await api_calls.check(await in_database(find, slug))}


@router.post("/{slug}/import", response=ImportOut, auth=WRITE)
async def import_document(request: HttpRequest, slug: str, body: Import) -> Any:
    """Make tools of the operations of an OpenAPI document, or say with dry_run what would be done."""
    server = await in_database(find, slug)
    content, url = await _content(server, body)
    return await in_database(_import, server, content, url, body)


# -- Finding and showing -------------------------------------------------------------------------------------------


def rows() -> Any:
    found: Any = ApiServer.objects
    return found.prefetch_related("tags")


def find(slug: str) -> ApiServer:
    row: ApiServer = configuration.find(rows(), slug)
    return row


def show(server: ApiServer) -> ApiServerOut:
    tags = sorted(tag.name for tag in server.tags.all())
    return ApiServerOut(**{name: getattr(server, name) for name in COLUMNS}, tags=tags)


# -- Doing ---------------------------------------------------------------------------------------------------------

NOT_COLUMNS = ("slug", "tags", "secrets")


@transaction.atomic
def _create(body: NewApiServer) -> ApiServerOut:
    server = ApiServer(
        slug=configuration.free_slug(ApiServer, body.slug, name=body.name), **_given(body.sent(without=NOT_COLUMNS))
    )
    _prove(server, body)
    return show(configuration.create(server, tags=body.tags or ()))


@transaction.atomic
def _change(slug: str, body: ApiServerChanges) -> ApiServerOut:
    server = find(slug)
    changes = _given(body.sent(without=NOT_COLUMNS))
    if server.leads_elsewhere(changes):
        # Whoever can change where they go must not learn the secrets that were meant for somebody else.
        changes["encrypted_secrets"] = server.encrypted_secrets = ""
    for column in ("auth_kind", "auth_config"):
        setattr(server, column, changes.get(column, getattr(server, column)))
    _prove(server, body)
    if body.secrets is not None:
        changes["encrypted_secrets"] = server.encrypted_secrets
    configuration.change(server, changes, tags=body.tags)
    return show(find(slug))


def _given(sent: dict[str, Any]) -> dict[str, Any]:
    """What was sent; null falls back to the default of its column."""
    defaults = {field.name: field.get_default() for field in ApiServer._meta.concrete_fields}
    return {name: defaults[name] if value is None else value for name, value in sent.items()}


def _prove(server: ApiServer, body: ApiServerChanges) -> None:
    """The settings of the sign-in, and its secrets where some are sent, which the row takes over."""
    if server.auth_kind not in AUTHS:
        raise InvalidInput.in_fields(
            {"auth_kind": [f"There is no sign-in “{server.auth_kind}”. Use {', '.join(AUTHS)}."]}
        )
    kind = auth_kind(server.auth_kind)
    configuration.prove(kind.Config, server.auth_config, field="auth_config")
    if body.secrets:
        configuration.prove(kind.Secrets, body.secrets, field="secrets")
    if body.secrets is not None:
        server.set_secrets(body.secrets)


async def _content(server: ApiServer, body: Import) -> tuple[bytes, str]:
    """The document as bytes, and where it was fetched."""
    if body.document is not None and body.url is not None:
        raise InvalidInput("Send a document or its address, not both.", errors={"url": ["Leave one of both out."]})
    if body.document is not None:
        text = body.document if isinstance(body.document, str) else json.dumps(body.document)
        return text.encode("utf-8", "replace"), ""
    url = body.url or server.document_url
    if not url:
        raise InvalidInput("Send a document or its address.", errors={"document": ["This or `url` is required."]})
    return await api_imports.fetch(server, url), url


def _import(server: ApiServer, content: bytes, url: str, body: Import) -> dict[str, Any]:
    if body.dry_run:
        plan = api_imports.plan(server, openapi.read(content), chosen=body.operations, url=url)
    else:
        plan = _kept_and_applied(server, content, url, body)
    counts = {state: plan.count(state) for state in api_imports.STATES}
    steps = [asdict(step) for step in plan.steps]
    about = {"title": plan.title, "base_url": plan.base_url, "dry_run": body.dry_run, "fingerprint": plan.fingerprint}
    return {**about, "counts": counts, "steps": steps}


@transaction.atomic
def _kept_and_applied(server: ApiServer, content: bytes, url: str, body: Import) -> api_imports.Plan:
    document = api_imports.keep(server, content, url=url)
    return api_imports.apply(server, document.content, chosen=body.operations, url=url, seen=body.fingerprint)
