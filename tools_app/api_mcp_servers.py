"""MCP servers over the API: added, changed, tested, refreshed, and their tools approved and called."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router

from magnet import configuration
from magnet.api.listing import Listing, Page, page
from magnet.api.root import json_response
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.errors import InvalidInput, NotFound
from magnet.web.auth import Needs
from tools_app import mcp_calls, mcp_client, mcp_refresh
from tools_app.api_auth import auth_kind
from tools_app.api_mcp_schemas import (
    Approval,
    McpCall,
    McpResult,
    McpServerChanges,
    McpServerOut,
    McpServerReached,
    McpToolOut,
    NewMcpServer,
    RefreshedOut,
)
from tools_app.mcp_transports import TRANSPORTS
from tools_app.models import McpServer, McpTool
from tools_app.models.mcp_tools import SIGN_INS

router = Router(tags=["MCP servers"])
READ, WRITE, RUN = (Needs(f"mcp-servers:{verb}") for verb in ("read", "write", "run"))
COLUMNS = tuple(name for name in McpServerOut.model_fields if name != "tags")
NOT_COLUMNS = ("slug", "tags", "secrets")


@router.get("", response=Page[McpServerOut], auth=READ)
async def list_mcp_servers(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the MCP servers."""
    columns = ("name", "slug", "created_at", "updated_at")
    return await in_database(partial(page, rows(), listing, show=show, search_in=("name", "slug"), order_by=columns))


@router.post("", response={201: McpServerOut}, auth=WRITE)
async def create_mcp_server(request: HttpRequest, response: HttpResponse, body: NewMcpServer) -> Any:
    """Add an MCP server; refresh it next, then approve its tools."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/mcp-servers/{created.slug}"
    return created


@router.get("/{slug}", response=McpServerOut, auth=READ)
async def get_mcp_server(request: HttpRequest, slug: str) -> Any:
    """Show an MCP server."""
    return await in_database(lambda: show(find(slug)))


@router.patch("/{slug}", response=McpServerOut, auth=WRITE)
async def change_mcp_server(request: HttpRequest, slug: str, body: McpServerChanges) -> Any:
    """Change an MCP server. Another address, command or sign-in forgets the secrets that are not sent with it."""
    return await in_database(_change, slug, body)


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_mcp_server(request: HttpRequest, slug: str, with_tools: bool = False) -> Any:
    """Remove an MCP server that has no tools, or with_tools those, too, unless something uses one of them."""
    await in_database(lambda: configuration.remove(find(slug), with_parts=with_tools, parameter="with_tools"))


@router.post("/{slug}/test", response=McpServerReached, auth=WRITE)
async def test_mcp_server(request: HttpRequest, slug: str) -> Any:
    """Prove that the server answers and takes the sign-in."""
    return {"message": await mcp_client.check(await in_database(find, slug))}


@router.post("/{slug}/refresh", response=RefreshedOut, auth=WRITE)
async def refresh_mcp_server(request: HttpRequest, slug: str) -> Any:
    """Read the tools of the server anew. New and changed ones are not offered to models until they are approved."""
    return asdict(await mcp_refresh.refresh(await in_database(find, slug)))


@router.get("/{slug}/tools", response=Page[McpToolOut], auth=READ)
async def list_mcp_tools(request: HttpRequest, slug: str, listing: Query[Listing]) -> Any:
    """List the tools of a server, in its own words."""
    return await in_database(_tools, slug, listing)


@router.post("/{slug}/tools/{name}/approve", response=McpToolOut, auth=WRITE)
async def approve_mcp_tool(request: HttpRequest, slug: str, name: str, body: Approval | None = None) -> Any:
    """Let models read what the server says of this tool now."""
    return await in_database(_approve, slug, name, body or Approval(), current_caller().label)


@router.post("/{slug}/tools/{name}/run", response=McpResult, auth=RUN)
async def run_mcp_tool(request: HttpRequest, slug: str, name: str, body: McpCall) -> HttpResponseBase:
    """Call a tool. Its error is a result, too, with is_ok false; 502 and 504 mean that no answer came."""
    called = await mcp_calls.call(await mcp_calls.load(f"{slug}/{name}"), body.arguments)
    return json_response(called.as_json())


# -- Finding and showing -------------------------------------------------------------------------------------------


def rows() -> Any:
    found: Any = McpServer.objects
    return found.prefetch_related("tags")


def find(slug: str) -> McpServer:
    row: McpServer = configuration.find(rows(), slug)
    return row


def show(server: McpServer) -> McpServerOut:
    tags = sorted(tag.name for tag in server.tags.all())
    return McpServerOut(**{name: getattr(server, name) for name in COLUMNS}, tags=tags)


def show_tool(tool: McpTool) -> McpToolOut:
    return McpToolOut(**{name: getattr(tool, name) for name in McpToolOut.model_fields})


def _tools(slug: str, listing: Listing) -> dict[str, Any]:
    columns = ("name", "slug", "first_seen_at", "changed_at")
    tools = find(slug).tools.all()
    return page(tools, listing, show=show_tool, search_in=("name", "slug", "description"), order_by=columns)


# -- Doing ---------------------------------------------------------------------------------------------------------


def _approve(slug: str, name: str, body: Approval, by: str) -> McpToolOut:
    tool = find(slug).tools.filter(slug=name).first() if "\0" not in name else None
    if tool is None:
        raise NotFound(f"“{slug}” has no tool “{name}”. Refresh it, or look at the slugs of its tools.")
    if body.is_read_only is not None:
        McpTool.objects.filter(pk=tool.pk).update(is_read_only=body.is_read_only)
    return show_tool(mcp_refresh.approve(tool, by=by, fingerprint=body.fingerprint))


@transaction.atomic
def _create(body: NewMcpServer) -> McpServerOut:
    server = McpServer(
        slug=configuration.free_slug(McpServer, body.slug, name=body.name), **_given(body.sent(without=NOT_COLUMNS))
    )
    _prove(server, body)
    return show(configuration.create(server, tags=body.tags or ()))


@transaction.atomic
def _change(slug: str, body: McpServerChanges) -> McpServerOut:
    server = find(slug)
    changes = _given(body.sent(without=NOT_COLUMNS))
    if server.leads_elsewhere(changes):
        # Whoever can change where they go must not learn the secrets that were meant for somebody else.
        changes["encrypted_secrets"] = server.encrypted_secrets = ""
    for column in ("transport", "config", "auth_kind", "auth_config"):
        setattr(server, column, changes.get(column, getattr(server, column)))
    _prove(server, body)
    if body.secrets is not None:
        changes["encrypted_secrets"] = server.encrypted_secrets
    configuration.change(server, changes, tags=body.tags)
    return show(find(slug))


def _given(sent: dict[str, Any]) -> dict[str, Any]:
    """What was sent; null falls back to the default of its column."""
    defaults = {field.name: field.get_default() for field in McpServer._meta.concrete_fields}
    return {name: defaults[name] if value is None else value for name, value in sent.items()}


def _prove(server: McpServer, body: McpServerChanges) -> None:
    """The settings of the way and of the sign-in, and secrets where some are sent, which the row takes over."""
    if server.transport not in TRANSPORTS:
        raise InvalidInput.in_fields(
            {"transport": [f"There is no way “{server.transport}”. Use {', '.join(TRANSPORTS)}."]}
        )
    if server.auth_kind not in SIGN_INS:
        raise InvalidInput.in_fields(
            {"auth_kind": [f"There is no sign-in “{server.auth_kind}”. Use {', '.join(SIGN_INS)}."]}
        )
    transport, auth = server.transport_class, auth_kind(server.auth_kind)
    configuration.prove(transport.Config, server.config, field="config")
    configuration.prove(auth.Config, server.auth_config, field="auth_config")
    if body.secrets:
        shape = auth.Secrets if transport.has_address else transport.Secrets
        configuration.prove(shape, body.secrets, field="secrets")
    if body.secrets is not None:
        server.set_secrets(body.secrets)
