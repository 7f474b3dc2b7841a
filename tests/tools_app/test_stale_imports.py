"""What was looked at is what is imported: whatever changed in between is told, and two imports at once both succeed."""

from __future__ import annotations

import copy
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.urls import reverse

from magnet.models import AuditEntry
from tests.tools_app.test_api_imports import SHOP
from tools_app import api_imports
from tools_app.models import ApiServer, ApiTool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop():
    return ApiServer.objects.create(name="Shop", slug="shop")


@pytest.fixture
def later():
    made = copy.deepcopy(SHOP)
    made["paths"]["/orders"]["get"]["summary"] = "Delete everything"
    return made


def looked_at(owner, shop):
    """The field that goes back with the button of the review, and its address."""
    address = reverse("admin:tools_app_apiserver_review", args=[shop.pk])
    return address, re.search(r'name="seen" value="([0-9a-f]{64})"', owner.get(address).content.decode())[1]


def test_a_review_is_not_applied_to_a_document_that_came_after_it(owner, shop, later):
    owner.post(reverse("admin:tools_app_apiserver_import", args=[shop.pk]), {"text": json.dumps(SHOP)})
    owner.post(reverse("admin:tools_app_apiserver_import", args=[shop.pk]), {"operations": "findOrders"})
    address, seen = looked_at(owner, shop)
    api_imports.keep(shop, json.dumps(later).encode())
    shop.document.__class__.objects.update(chosen=["findOrders"])

    refused = owner.post(address, {"seen": seen}, follow=True).content.decode()

    assert "have changed since you looked" in refused
    assert "Delete everything" in refused
    assert not ApiTool.objects.exists()
    assert not AuditEntry.objects.filter(verb="imported").exists()

    address, seen = looked_at(owner, shop)
    owner.post(address, {"seen": seen})
    assert ApiTool.objects.get().name == "Delete everything"


def test_a_review_is_not_applied_when_another_choice_came_after_it(owner, shop):
    api_imports.keep(shop, json.dumps(SHOP).encode())
    owner.post(reverse("admin:tools_app_apiserver_import", args=[shop.pk]), {"operations": "findOrders"})
    address, seen = looked_at(owner, shop)
    owner.post(reverse("admin:tools_app_apiserver_import", args=[shop.pk]), {"operations": "findOrders\ngetOrder"})

    owner.post(address, {"seen": seen})

    assert not ApiTool.objects.exists()


async def test_over_the_api_a_plan_may_be_named_too(api, shop, later):
    planned = await api.post("/api/api-servers/shop/import", json={"document": SHOP, "dry_run": True})
    body = {"fingerprint": planned.json()["fingerprint"]}

    stale = await api.post("/api/api-servers/shop/import", json={**body, "document": later})
    fine = await api.post("/api/api-servers/shop/import", json={**body, "document": SHOP})

    assert (stale.status_code, fine.status_code) == (409, 200)
    assert "Look once more" in stale.json()["detail"]


def test_two_imports_at_once_give_each_tool_a_slug_of_its_own(shop):
    others = [shop, *(ApiServer.objects.create(name=name, slug=name) for name in ("one", "two", "three"))]
    paths = {f"/{number}": {"get": {"operationId": f"op{number}"}} for number in range(60)}

    def import_it(server):
        try:
            return api_imports.apply(server, {"openapi": "3.1.0", "paths": paths})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(import_it, others))

    assert ApiTool.objects.count() == 240
    assert ApiTool.objects.filter(slug="op7-4").exists()
