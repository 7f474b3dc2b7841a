"""A server is not deleted while something uses one of its tools, and its tools go only where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import models
from django.urls import reverse

from magnet.models import PromptTemplate, uses
from tools_app.models import ApiServer, ApiTool, McpServer, McpTool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(transactional_db) -> ApiServer:
    server = ApiServer.objects.create(name="Shop", slug="shop", base_url="https://shop.example.com")
    for slug in ("find-orders", "show-an-order"):
        ApiTool.objects.create(server=server, slug=slug, name=slug.replace("-", " ").capitalize(), path="/orders")
    return server


@pytest.fixture
def desk(transactional_db) -> McpServer:
    server = McpServer.objects.create(name="Desk", slug="desk", url="https://desk.example.com/mcp")
    McpTool.objects.create(server=server, slug="close", name="close_ticket", title="Close a ticket")
    return server


@pytest.fixture
def a_floor_above(transactional_db, monkeypatch) -> PromptTemplate:
    """Something that names tools by their slugs, as agents do."""
    user = PromptTemplate.objects.create(name="Clerk", slug="clerk")
    used = {"find-orders", "close"}

    def users(rows: Sequence[models.Model]) -> list[models.Model]:
        return [user] if used & {str(getattr(row, "slug", "")) for row in rows} else []

    monkeypatch.setattr(uses, "_bringers", [])
    uses.brings_users(users)
    return user


def names(problem: dict[str, Any], key: str) -> list[str]:
    return [row["name"] for row in problem[key]]


@pytest.mark.parametrize(
    ("path", "tools"),
    [("api-servers/shop", ["Find orders", "Show an order"]), ("mcp-servers/desk", ["close_ticket"])],
)
async def test_tools_go_with_their_server_only_where_that_is_asked_for(api, shop, desk, path, tools) -> None:
    refused = await api.delete(f"/api/{path}")
    there = await api.get(f"/api/{path}")
    deleted = await api.delete(f"/api/{path}?with_tools=true")

    assert (refused.status_code, there.status_code, deleted.status_code) == (409, 200, 204)
    assert refused.json()["code"] == "still_in_use"
    assert names(refused.json(), "goes_too") == tools
    assert "with_tools=true" in refused.json()["detail"]
    assert (await api.get(f"/api/{path}")).status_code == 404


async def test_a_server_without_tools_needs_no_such_word(api, transactional_db) -> None:
    await ApiServer.objects.acreate(name="Empty", slug="empty")

    assert (await api.delete("/api/api-servers/empty")).status_code == 204


@pytest.mark.usefixtures("shop", "desk", "a_floor_above")
@pytest.mark.parametrize("path", ["api-servers/shop", "mcp-servers/desk", "api-tools/find-orders"])
async def test_what_uses_a_tool_keeps_it_and_its_server(api, path) -> None:
    refused = await api.delete(f"/api/{path}?with_tools=true")

    assert refused.status_code == 409
    assert names(refused.json(), "used_by") == ["Clerk"]
    assert (await api.get(f"/api/{path}")).status_code == 200


@pytest.mark.usefixtures("shop", "a_floor_above")
async def test_a_tool_that_nothing_uses_is_deleted_beside_one_that_is_used(api) -> None:
    assert (await api.delete("/api/api-tools/show-an-order")).status_code == 204


def test_staff_see_what_goes_along_before_they_confirm(owner, shop) -> None:
    url = reverse("admin:tools_app_apiserver_delete", args=[shop.pk])

    asked = owner.get(url).content.decode()
    owner.post(url)

    assert "Find orders" in asked
    assert "Show an order" in asked
    assert not ApiServer.objects.exists()


def test_staff_cannot_delete_what_is_used_and_see_where(owner, shop, a_floor_above) -> None:
    url = reverse("admin:tools_app_apiserver_delete", args=[shop.pk])

    answer = owner.post(url)
    used = owner.get(reverse("admin:tools_app_apiserver_used", args=[shop.pk])).content.decode()

    assert "is still in use" in answer.content.decode()
    assert ApiServer.objects.exists()
    assert "Clerk" in used
    assert used.index("What belongs to it") < used.index("Find orders")
