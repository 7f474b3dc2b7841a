"""API tools over the API: made by hand or changed after an import, and run."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router

from magnet import configuration
from magnet.api.listing import Listing, Page, page
from magnet.api.root import json_response
from magnet.database import in_database
from magnet.errors import InvalidInput
from magnet.web.auth import Needs
from tools_app import api_calls
from tools_app.api_tool_schemas import ApiToolCall, ApiToolChanges, ApiToolOut, ApiToolResult, NewApiTool
from tools_app.models import ApiServer, ApiTool

router = Router(tags=["API tools"])
READ, WRITE, RUN = (Needs(f"api-tools:{verb}") for verb in ("read", "write", "run"))
COLUMNS = tuple(name for name in ApiToolOut.model_fields if name not in ("tags", "server"))
NOT_COLUMNS = ("slug", "tags", "server")


@router.post("/{slug}/run", response=ApiToolResult, auth=RUN)
async def run_api_tool(request: HttpRequest, slug: str, body: ApiToolCall) -> HttpResponseBase:
    """Call the API. Its refusal is a result, too, with is_ok false; 502 and 504 mean that no answer came."""
    called = await api_calls.call(await api_calls.load(slug), body.arguments)
    return json_response(called.as_json())


@router.get("", response=Page[ApiToolOut], auth=READ)
async def list_api_tools(request: HttpRequest, listing: Query[Listing], server: str = "") -> Any:
    """List the API tools, or those of one server."""
    columns = ("name", "slug", "created_at", "updated_at")
    found = rows().filter(server__slug=server.replace("\0", "")) if server else rows()
    return await in_database(
        partial(page, found, listing, show=show, search_in=("name", "slug", "description", "path"), order_by=columns)
    )


@router.post("", response={201: ApiToolOut}, auth=WRITE)
async def create_api_tool(request: HttpRequest, response: HttpResponse, body: NewApiTool) -> Any:
    """Add a tool for one call of an API."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/api-tools/{created.slug}"
    return created


@router.get("/{slug}", response=ApiToolOut, auth=READ)
async def get_api_tool(request: HttpRequest, slug: str) -> Any:
    """Show an API tool."""
    return await in_database(lambda: show(find(slug)))


@router.patch("/{slug}", response=ApiToolOut, auth=WRITE)
async def change_api_tool(request: HttpRequest, slug: str, body: ApiToolChanges) -> Any:
    """Change an API tool. What differs from its document afterwards outlives the next import."""
    return await in_database(_change, slug, body)


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_api_tool(request: HttpRequest, slug: str) -> Any:
    """Remove an API tool that nothing uses."""
    await in_database(lambda: configuration.remove(find(slug)))


# -- Finding and showing -------------------------------------------------------------------------------------------


def rows() -> Any:
    found: Any = ApiTool.objects
    return found.select_related("server").prefetch_related("tags")


def find(slug: str) -> ApiTool:
    row: ApiTool = configuration.find(rows(), slug)
    return row


def show(tool: ApiTool) -> ApiToolOut:
    tags = sorted(tag.name for tag in tool.tags.all())
    return ApiToolOut(**{name: getattr(tool, name) for name in COLUMNS}, tags=tags, server=tool.server.slug)


# -- Doing ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def _create(body: NewApiTool) -> ApiToolOut:
    server = configuration.named(ApiServer, body.server, field="server")
    slug = configuration.free_slug(ApiTool, body.slug, name=body.name)
    tool = ApiTool(server=server, slug=slug, **_given(body))
    return show(configuration.create(tool, tags=body.tags or ()))


def _change(slug: str, body: ApiToolChanges) -> ApiToolOut:
    configuration.change(find(slug), _given(body), tags=body.tags)
    return show(find(slug))


def _given(body: ApiToolChanges) -> dict[str, Any]:
    """What was sent; null falls back to the default of its column."""
    sent = body.sent(without=NOT_COLUMNS)
    if sent.get("path", "/") is None:
        raise InvalidInput("A tool has a path.", errors={"path": ["This is required."]})
    defaults = {field.name: field.get_default() for field in ApiTool._meta.concrete_fields}
    return {name: defaults[name] if value is None else value for name, value in sent.items()}
