"""API servers and API tools over HTTP: made, imported, run; secrets never come out and never change their address."""

from __future__ import annotations

import json

import pytest

from magnet.database import in_database
from magnet.models import AuditEntry
from tests.fake_website import Page
from tests.fixtures_api import bearer
from tests.fixtures_api_tools import as_json
from tests.tools_app.test_api_imports import SHOP
from tools_app.models import ApiServer, ApiTool

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "very-secret-thing"


@pytest.fixture
async def shop(api, fake_api):
    body = {
        "name": "Shop",
        "base_url": fake_api.url,
        "allows_private_addresses": True,
        "auth_kind": "bearer",
        "secrets": {"token": SECRET},
        "tags": ["orders"],
    }
    made = await api.post("/api/api-servers", json=body)
    assert made.status_code == 201, made.text
    return made.json()


async def stored(slug="shop"):
    return await in_database(lambda: ApiServer.objects.get(slug=slug))


# -- Servers -------------------------------------------------------------------------------------------------------


async def test_a_server_is_added_shown_changed_and_removed(api, shop, fake_api):
    assert (shop["slug"], shop["has_secrets"], shop["tags"]) == ("shop", True, ["orders"])
    assert SECRET not in json.dumps(shop)

    changed = await api.patch("/api/api-servers/shop", json={"name": "The shop", "headers": {"X-Tenant": "riga"}})
    assert (changed.json()["name"], changed.json()["has_secrets"]) == ("The shop", True)
    assert [row["slug"] for row in (await api.get("/api/api-servers", params={"tag": "orders"})).json()["items"]] == [
        "shop"
    ]
    assert (await api.post("/api/api-servers/shop/test")).json()["message"].startswith("127.0.0.1 answers")

    assert (await api.delete("/api/api-servers/shop")).status_code == 204
    assert (await api.get("/api/api-servers/shop")).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://elsewhere.example.com"},
        {"auth_kind": "key_in_header"},
        {
            "auth_kind": "oauth_client",
            "auth_config": {"token_url": "https://elsewhere.example.com/t", "client_id": "x"},
        },
    ],
)
async def test_secrets_do_not_follow_to_another_address(api, shop, change):
    changed = await api.patch("/api/api-servers/shop", json=change)

    assert changed.json()["has_secrets"] is False
    assert (await stored()).encrypted_secrets == ""
    entries = await in_database(lambda: json.dumps(list(AuditEntry.objects.values_list("changes", flat=True))))
    assert SECRET not in entries
    assert "encrypted" not in entries


async def test_secrets_that_are_sent_with_the_new_address_are_kept(api, shop):
    body = {"base_url": "https://elsewhere.example.com", "secrets": {"token": "another-token"}}

    assert (await api.patch("/api/api-servers/shop", json=body)).json()["has_secrets"] is True
    assert (await stored()).secrets == {"token": "another-token"}


async def test_another_path_at_the_same_address_keeps_the_secrets(api, shop, fake_api):
    changed = await api.patch("/api/api-servers/shop", json={"base_url": f"{fake_api.url}/v2/"})

    assert (changed.json()["base_url"], changed.json()["has_secrets"]) == (f"{fake_api.url}/v2", True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "https://user:pw@example.com"}, "base_url"),
        ({"base_url": "https://example.com/?a=1"}, "base_url"),
        ({"auth_kind": "magic"}, "auth_kind"),
        ({"auth_kind": "oauth_client", "auth_config": {"token_url": "nope"}}, "auth_config.token_url"),
        ({"auth_kind": "bearer", "secrets": {"key": "x"}}, "secrets.key"),
        ({"auth_kind": "bearer", "secrets": {"token": "x"}}, "base_url"),
        ({"headers": {"X-A": "a\r\nb"}}, "headers"),
        ({"headers": {"X A": "a"}}, "headers"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"secret": 1}, "secret"),
    ],
)
async def test_what_does_not_fit_names_its_field(api, body, field):
    refused = await api.post("/api/api-servers", json={"name": "Shop", **body})

    assert refused.status_code == 422, refused.text
    assert field in refused.json()["errors"]
    assert "x" not in refused.json()["errors"].get("secrets.token", [])


# -- Importing -----------------------------------------------------------------------------------------------------


async def test_a_document_is_planned_imported_and_run(api, shop, fake_api):
    planned = (await api.post("/api/api-servers/shop/import", json={"document": SHOP, "dry_run": True})).json()
    assert planned["counts"] == {"new": 3, "offered": 0, "changed": 0, "unchanged": 0, "gone": 0, "refused": 0}
    assert (await api.get("/api/api-tools")).json()["count"] == 0

    chosen = {"document": json.dumps(SHOP), "operations": ["findOrders"]}
    done = (await api.post("/api/api-servers/shop/import", json=chosen)).json()
    assert [step["slug"] for step in done["steps"] if step["state"] == "new"] == ["find-orders"]
    listed = (await api.get("/api/api-tools", params={"server": "shop"})).json()
    assert (listed["count"], listed["items"][0]["is_read_only"]) == (1, True)

    fake_api.routes["/orders"] = as_json({"total": 1})
    ran = await api.post("/api/api-tools/find-orders/run", json={"arguments": {"since": "2026"}})
    assert ran.status_code == 200
    assert (ran.json()["content"], ran.json()["status"], ran.json()["note"]) == ({"total": 1}, 200, "")
    assert fake_api.calls[-1].headers["Authorization"] == f"Bearer {SECRET}"


async def test_a_document_is_imported_from_its_address_and_again(api, shop, fake_api):
    fake_api.routes["/openapi.json"] = Page(json.dumps(SHOP), media_type="application/json")

    first = await api.post("/api/api-servers/shop/import", json={"url": f"{fake_api.url}/openapi.json"})
    again = await api.post("/api/api-servers/shop/import", json={})

    assert first.json()["counts"]["new"] == 3
    assert again.json()["counts"]["unchanged"] == 3
    # The document is public, and its address may be anybody's.
    assert "Authorization" not in fake_api.asked("/openapi.json")[0].headers


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "Send a document or its address"),
        ({"document": {}, "url": "https://a.example.com"}, "not both"),
        ({"document": "nonsense: ["}, "not valid YAML"),
        ({"document": SHOP, "operations": ["nowhere"]}, "no operation “nowhere”"),
        ({"url": "http://169.254.169.254/openapi.json"}, "not a public address"),
    ],
)
async def test_an_import_that_cannot_be_says_why(api, shop, body, said):
    refused = await api.post("/api/api-servers/shop/import", json=body)

    assert refused.status_code == 422
    assert said in refused.json()["detail"]


# -- Tools ---------------------------------------------------------------------------------------------------------


async def test_a_tool_is_made_by_hand_changed_and_removed(api, shop):
    body = {
        "name": "Show an order",
        "server": "shop",
        "path": "/orders/{id}",
        "arguments": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
        "places": {"id": {"in": "path", "name": "id"}},
    }
    made = await api.post("/api/api-tools", json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["slug"], made.json()["server"]) == ("show-an-order", "shop")

    changed = await api.patch("/api/api-tools/show-an-order", json={"response_fields": ["id"], "method": "DELETE"})
    assert (changed.json()["response_fields"], changed.json()["is_read_only"]) == (["id"], False)
    assert (await api.delete("/api/api-tools/show-an-order")).status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"path": "orders"}, "path"),
        ({"path": "@evil.example.com/"}, "path"),
        ({"path": "/orders/{id}"}, "path"),
        ({"path": "/a", "arguments": {"type": "nope"}}, "arguments"),
        ({"path": "/a", "arguments": {"properties": {"x": {}}}}, "places"),
        ({"path": "/a", "places": {"x": {"in": "nowhere"}}}, "places"),
        ({"path": "/a", "is_mocked": True}, "mock_response"),
        ({"path": "/a", "server": "nowhere"}, "server"),
        ({"path": "/a", "method": "FETCH"}, "method"),
    ],
)
async def test_a_tool_that_cannot_be_called_is_refused(api, shop, body, field):
    refused = await api.post("/api/api-tools", json={"name": "X", "server": "shop", **body})

    assert refused.status_code == 422, refused.text
    assert field in refused.json()["errors"]


async def test_a_run_that_fails_is_a_problem_with_a_sentence(api, shop, fake_api):
    await api.post("/api/api-servers/shop/import", json={"document": SHOP})
    wrong = await api.post("/api/api-tools/find-orders/run", json={"arguments": {"since": 7}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_input")
    assert "`since`" in wrong.json()["errors"]["arguments"][0]

    await in_database(lambda: ApiServer.objects.update(base_url="http://127.0.0.1:9"))
    from magnet.database import forget_configuration

    forget_configuration()
    broken = await api.post("/api/api-tools/find-orders/run", json={})
    assert (broken.status_code, broken.json()["code"]) == (502, "tool_error")
    assert (await api.post("/api/api-tools/nowhere/run", json={})).status_code == 404


async def test_rights_are_kept_apart(api, anonymous, issue_key, shop):
    await api.post("/api/api-servers/shop/import", json={"document": SHOP})
    reader = bearer(await in_database(lambda: issue_key("api-tools:read", "api-servers:read")))
    runner = bearer(await in_database(lambda: issue_key("api-tools:run")))

    assert (await anonymous.get("/api/api-tools", headers=reader)).status_code == 200
    assert (await anonymous.post("/api/api-tools/find-orders/run", json={}, headers=reader)).status_code == 403
    assert (await anonymous.patch("/api/api-servers/shop", json={}, headers=reader)).status_code == 403
    assert (await anonymous.post("/api/api-tools/find-orders/run", json={}, headers=runner)).status_code == 200
    assert (await anonymous.get("/api/api-servers", headers=runner)).status_code == 403


async def test_a_list_takes_few_queries_whatever_its_length(api, shop, django_assert_max_num_queries):
    await api.post("/api/api-servers/shop/import", json={"document": SHOP})

    def listed():
        from tools_app.api_api_tools import rows, show

        with django_assert_max_num_queries(2):
            return [show(row) for row in rows()]

    assert len(await in_database(listed)) == 3
    assert await in_database(ApiTool.objects.count) == 3
