"""Calls cannot be bent by what is set for them: headers of the connection, hosts that are none, shared tokens."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.core.exceptions import ValidationError

from magnet import gateway
from magnet.errors import AddressRefused, InvalidInput, ToolError
from magnet.outbound.addresses import host_and_port
from tests.fixtures_api_tools import as_json, server, tool
from tools_app import api_calls, api_sign_in, openapi
from tools_app.api_auth import auth_kind
from tools_app.models import ApiServer, McpServer

FRAMING = ["Host", "connection", "Transfer-Encoding", "CONTENT-LENGTH", "Proxy-Authorization", "TE", "Upgrade"]


# -- Headers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FRAMING)
def test_a_header_of_the_connection_is_no_custom_header(name):
    with pytest.raises(ValidationError, match="belongs to the connection"):
        ApiServer(name="Shop", slug="shop", headers={name: "x"}).clean()


@pytest.mark.parametrize("name", FRAMING)
def test_a_header_of_the_connection_holds_no_sign_in(name):
    shop = ApiServer(name="Shop", slug="shop", auth_kind="key_in_header", auth_config={"header": name})

    with pytest.raises(ValidationError, match="belongs to the connection"):
        shop.clean()
    assert auth_kind("key_in_header").Config(header="X-Key").header == "X-Key"


@pytest.mark.parametrize("name", FRAMING)
def test_a_header_of_the_connection_is_no_argument(name):
    shop = ApiServer(name="Shop", slug="shop", base_url="https://shop.example")

    with pytest.raises(ValidationError, match="of the connection itself"):
        tool(shop, places={"a": {"in": "header", "name": name}})

    call = {"parameters": [{"name": name, "in": "header", "schema": {}}, {"name": "X-A", "in": "header", "schema": {}}]}
    document = {"openapi": "3.1.0", "paths": {"/orders": {"get": call}}}
    assert list(openapi.built(document, openapi.outlines(document)[0]).places) == ["X-A"]


@pytest.mark.django_db(transaction=True)
async def test_a_tool_that_was_made_before_sends_no_such_header(fake_api):
    row = tool(server(fake_api), places={"a": {"in": "header", "name": "X-A"}})
    row.places["a"]["name"] = "Transfer-Encoding"

    with pytest.raises(InvalidInput, match="no header that a call can set"):
        await api_calls.call(row, {"a": "chunked"})
    assert not fake_api.calls


@pytest.mark.django_db(transaction=True)
async def test_an_argument_cannot_stand_beside_the_sign_in(fake_api):
    shop = server(fake_api, auth_kind="bearer", secrets={"token": "ours"})

    await api_calls.call(tool(shop, places={"a": {"in": "header", "name": "authorization"}}), {"a": "Bearer theirs"})

    assert [text for name, text in fake_api.calls[0].headers.items() if name.lower() == "authorization"] == [
        "Bearer ours"
    ]
    await gateway.close_all()


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", ".example", "a." * 130 + "example", "ä" * 70])
def test_a_host_that_no_resolver_takes_is_refused(host):
    with pytest.raises(AddressRefused, match="no name of a host"):
        host_and_port(f"https://{host}/")


@pytest.mark.parametrize(
    "host", ["a" * 63 + ".example", "shop.example.", "my_host", "bücher.example", "192.0.2.1", "[::1]"]
)
def test_other_hosts_are_fine(host):
    assert host_and_port(f"https://{host}/")[1] == 443


# -- Tokens --------------------------------------------------------------------------------------------------------


def oauth(fake_api):
    config = {"token_url": f"{fake_api.url}/token", "client_id": "magnet"}
    shop = server(fake_api, auth_kind="oauth_client", auth_config=config, secrets={"client_secret": "s"})
    shop.pk = 12
    return shop


async def test_all_who_need_a_token_at_once_share_one(fake_api):
    is_asked, release = threading.Event(), threading.Event()

    def slow(call):
        is_asked.set()
        release.wait(30)
        return as_json({"access_token": "one", "expires_in": 3_600})

    fake_api.routes["/token"] = slow
    shop = oauth(fake_api)
    waiting = [asyncio.create_task(api_sign_in.signature(shop)) for _ in range(20)]
    await asyncio.to_thread(is_asked.wait, 30)
    # Whoever asked first leaves; the others do not notice.
    waiting[0].cancel()
    await asyncio.sleep(0)
    release.set()

    signed = await asyncio.gather(*waiting[1:])

    assert {one.headers["Authorization"] for one in signed} == {"Bearer one"}
    assert len(fake_api.asked("/token")) == 1
    assert not api_sign_in._asking[asyncio.get_running_loop()]


async def test_a_token_that_could_not_be_had_is_asked_for_once_more_by_those_who_waited(fake_api):
    refused = as_json({"error": "busy"}, status=400)
    fake_api.routes["/token"] = [refused, as_json({"access_token": "two", "expires_in": 3_600})]
    shop = oauth(fake_api)

    found = await asyncio.gather(*(api_sign_in.signature(shop) for _ in range(10)), return_exceptions=True)

    assert isinstance(found[0], ToolError)
    assert {one.headers["Authorization"] for one in found[1:]} == {"Bearer two"}
    assert len(fake_api.asked("/token")) == 2


async def test_a_sign_in_that_never_works_fails_for_all_and_leaves_nothing(fake_api):
    fake_api.routes["/token"] = as_json({"error": "no"}, status=400)
    shop = oauth(fake_api)

    found = await asyncio.gather(*(api_sign_in.signature(shop) for _ in range(10)), return_exceptions=True)

    assert all(isinstance(one, ToolError) for one in found)
    assert len(fake_api.asked("/token")) == 2
    fake_api.routes["/token"] = as_json({"access_token": "late"})
    assert (await api_sign_in.signature(shop)).headers["Authorization"] == "Bearer late"


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-Api-Key", "PRIVATE-TOKEN", "Ocp-Apim-Subscription-Key"])
def test_a_header_that_carries_a_secret_is_entered_as_the_sign_in_which_nobody_can_read(name):
    for row in (ApiServer(name="Shop", slug="shop"), McpServer(name="Desk", slug="desk", transport="streamable_http")):
        row.headers = {name: "x"}
        with pytest.raises(ValidationError) as refused:
            row.clean()
        assert "headers" in refused.value.error_dict
    ApiServer(name="Shop", slug="shop", headers={"X-Tenant": "riga", "Accept-Language": "lv"}).clean()
