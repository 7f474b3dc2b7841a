"""A fake API on the loopback, and servers and tools that call it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from magnet.database import forget_configuration
from tests.fake_website import Call, FakeWebsite, Page, fake_website
from tools_app import api_sign_in
from tools_app.models import ApiServer, ApiTool


def as_json(value: Any, *, status: int = 200, **headers: str) -> Page:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Page(json.dumps(value), status=status, headers=named, media_type="application/json")


def query_of(call: Call) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(call.path).query, keep_blank_values=True)


class FakeApi(FakeWebsite):
    """As the website, but a route answers whatever the query is."""

    def answer(self, call: Call) -> Page:
        self.calls.append(call)
        route = self.routes.get(urlsplit(call.path).path, as_json({"message": "No route"}, status=404))
        if callable(route):
            return route(call)
        if isinstance(route, list):
            return route.pop(0) if len(route) > 1 else route[0]
        return route

    def asked(self, path: str) -> list[Call]:
        return [call for call in self.calls if urlsplit(call.path).path == path]


@pytest.fixture
def fake_api(settings) -> Iterator[FakeApi]:
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    api_sign_in._tokens.clear()
    forget_configuration()
    api = FakeApi()
    yield api
    api.close()


@pytest.fixture
def other_origin(settings) -> Iterator[FakeWebsite]:
    with fake_website() as site:
        yield site


def server(api: FakeWebsite, *, secrets: dict[str, Any] | None = None, **fields: Any) -> ApiServer:
    made = {
        "name": "Shop",
        "slug": "shop",
        "base_url": api.url,
        "allows_private_addresses": True,
        "timeout_seconds": 20,
    }
    row = ApiServer(**{**made, **fields})
    row.set_secrets(secrets or {})
    row.clean()
    return row


def tool(of: ApiServer, *, path: str = "/orders", places: dict[str, Any] | None = None, **fields: Any) -> ApiTool:
    """`places` says in short where each argument goes: {"number": "path"}, or whole; all are of any type."""
    where = places or {}
    row = ApiTool(
        **{
            "name": "Find orders",
            "slug": "find-orders",
            "server": of,
            "path": path,
            "places": {
                name: {"in": place, "name": name} if isinstance(place, str) else place for name, place in where.items()
            },
            "arguments": {
                "type": "object",
                "properties": {name: {} for name in where},
                "additionalProperties": False,
            },
            **fields,
        }
    )
    row.clean()
    return row


def stored(row: ApiTool) -> ApiTool:
    row.server.save()
    row.server = row.server
    row.save()
    return row
