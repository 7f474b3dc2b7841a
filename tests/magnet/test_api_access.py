"""Who may come in: keys that are wrong, late, revoked or too small, and people with a session."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import AsyncClient, Client
from django.utils import timezone

from magnet.database import forget_configuration, in_database
from magnet.models import ApiKey, User
from tests.fixtures_api import bearer

pytestmark = pytest.mark.django_db(transaction=True)


async def ask(client, key, path="/api/providers"):
    return await client.get(path, headers=bearer(key))


async def test_nothing_is_open_without_a_key(anonymous):
    response = await anonymous.get("/api/providers")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Authorization: Bearer" in response.json()["detail"]


async def test_a_key_opens_by_either_header(anonymous, issue_key):
    key = await in_database(issue_key)
    by_bearer = await ask(anonymous, key)
    by_name = await anonymous.get("/api/providers", headers={"X-API-Key": key})
    assert (by_bearer.status_code, by_name.status_code) == (200, 200)
    assert by_bearer.json() == {"items": [], "count": 0}


async def test_an_unknown_key_is_refused(anonymous):
    unknown = await ask(anonymous, "mgt_00000000_" + "x" * 43)
    misshapen = await ask(anonymous, "sk-123")
    other = await anonymous.get("/api/providers", headers={"Authorization": "Basic abc"})
    assert [response.status_code for response in (unknown, misshapen, other)] == [401, 401, 401]
    assert "not known" in unknown.json()["detail"]
    assert "not an API key of Magnet" in misshapen.json()["detail"]
    assert "Basic" in other.json()["detail"]


async def test_an_expired_key_says_so(anonymous, issue_key):
    key = await in_database(issue_key, expires_at=timezone.now() - timedelta(days=1))
    response = await ask(anonymous, key)
    assert response.status_code == 401
    assert "expired" in response.json()["detail"]


async def test_a_key_expires_while_it_is_remembered(anonymous, issue_key):
    key = await in_database(issue_key, expires_at=timezone.now() + timedelta(seconds=0.3))
    assert (await ask(anonymous, key)).status_code == 200
    await asyncio.sleep(0.35)
    assert (await ask(anonymous, key)).status_code == 401


async def test_a_revoked_key_says_so_only_to_who_holds_it_whole(anonymous, issue_key):
    key = await in_database(issue_key)
    await in_database(lambda: ApiKey.objects.get().revoke())
    holder = await ask(anonymous, key)
    guesser = await ask(anonymous, key[:-1] + ("a" if key[-1] != "a" else "b"))
    assert "revoked" in holder.json()["detail"]
    assert "not known" in guesser.json()["detail"]


def test_a_revoked_key_stops_within_a_second_in_every_web_process(live_api, issue_key):
    client = live_api.client(issue_key())
    assert client.get("/api/providers").status_code == 200
    ApiKey.objects.get().revoke()
    deadline = timezone.now() + timedelta(seconds=3)
    while client.get("/api/providers").status_code == 200:
        assert timezone.now() < deadline, "The notice did not arrive."


async def test_a_missing_scope_is_named(anonymous, issue_key):
    key = await in_database(issue_key, "models:read")
    response = await ask(anonymous, key)
    assert response.status_code == 403
    assert response.json()["scope"] == "providers:read"
    assert (await ask(anonymous, key, "/api/models")).status_code == 200


async def test_a_key_does_no_more_than_its_owner(anonymous, issue_key):
    def make():
        user = User.objects.create_user("eva@example.com", "secret")
        user.user_permissions.add(Permission.objects.get(codename="view_aimodel"))
        return issue_key("all", owner=user)

    key = await in_database(make)
    assert (await ask(anonymous, key, "/api/models")).status_code == 200
    assert (await ask(anonymous, key, "/api/providers")).status_code == 403
    await in_database(lambda: User.objects.update(is_active=False))
    forget_configuration()
    assert "no longer active" in (await ask(anonymous, key, "/api/models")).json()["detail"]


async def test_a_key_grants_only_what_it_has(anonymous, issue_key):
    key = await in_database(issue_key, "api-keys:write", "models:read", requests_per_minute=100)
    anonymous.headers.update(bearer(key))
    made = await anonymous.post("/api/api-keys", json={"name": "Child", "scopes": ["models:read"]})
    too_much = await anonymous.post("/api/api-keys", json={"name": "Child", "scopes": ["models:write", "all"]})
    unknown = await anonymous.post("/api/api-keys", json={"name": "Child", "scopes": ["world:rule"]})
    assert made.status_code == 201
    assert made.json()["requests_per_minute"] == 100
    assert (too_much.status_code, too_much.json()["scopes"]) == (403, ["all", "models:write"])
    assert (unknown.status_code, list(unknown.json()["errors"])) == (422, ["scopes"])


async def test_a_made_key_is_shown_once_works_and_is_revoked(api, anonymous):
    made = (await api.post("/api/api-keys", json={"name": "Shop", "scopes": ["models:read"]})).json()
    listed = (await api.get("/api/api-keys", params={"search": "Shop"})).json()["items"][0]
    assert "key" not in listed
    assert listed["prefix"] == made["key"][:12]
    assert (await ask(anonymous, made["key"], "/api/models")).status_code == 200
    assert (await api.delete(f"/api/api-keys/{made['id']}")).json()["is_usable"] is False
    forget_configuration()
    assert (await ask(anonymous, made["key"], "/api/models")).status_code == 401


async def test_the_last_use_is_written_beside_the_request(anonymous, issue_key):
    await ask(anonymous, await in_database(issue_key))
    for _ in range(100):
        if await in_database(lambda: ApiKey.objects.get().last_used_at):
            return
        await asyncio.sleep(0.02)
    pytest.fail("The use was not noted.")


async def test_a_signed_in_person_may_call_with_a_csrf_token():
    user = await in_database(lambda: User.objects.create_superuser("anna@example.com", "secret"))
    client = AsyncClient(enforce_csrf_checks=True)
    await client.aforce_login(user)
    assert (await client.get("/api/providers")).status_code == 200
    provider = {"name": "Own", "kind": "local"}
    refused = await client.post("/api/providers", provider, content_type="application/json")
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
    await client.get("/schema/swagger")
    token = client.cookies["csrftoken"].value
    made = await client.post(
        "/api/providers", provider, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert made.status_code == 201


def test_the_synchronous_client_of_django_works_too(issue_key):
    user = User.objects.create_user("viewer@example.com", "secret")
    client = Client()
    client.force_login(user)
    assert client.get("/api/providers").status_code == 403
    assert Client(headers=bearer(issue_key())).get("/api/providers").status_code == 200
    assert Client().get("/api/providers").status_code == 401
