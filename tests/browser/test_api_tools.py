"""Making a tool of an API in a real browser: a server is added, its document imported, the tool edited and tried."""

from __future__ import annotations

import json

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import named

pytestmark = pytest.mark.browser

ANSWER = {"content": {"application/json": {"example": {"total": 2, "orders": [{"number": 17}]}}}}
PARAMETERS = [
    {"name": "since", "in": "query", "description": "From this day on.", "schema": {"type": "string"}},
    {"name": "state", "in": "query", "schema": {"enum": ["new", "paid"]}},
]
SHOP = {
    "openapi": "3.1.0",
    "info": {"title": "Shop"},
    "servers": [{"url": "https://shop.example.com/v1"}],
    "paths": {
        "/orders": {
            "get": {
                "operationId": "findOrders",
                "summary": "Find orders",
                "parameters": PARAMETERS,
                "responses": {"200": ANSWER},
            },
            "post": {"operationId": "addOrder", "summary": "Add an order"},
        }
    },
}


def test_an_integrator_makes_a_tool_of_an_api_and_tries_it(page):
    page.goto("/admin/tools_app/apiserver/add/")
    page.get_by_text("Everybody may call it.").click()
    page.locator("#id_name").fill(named("Shop"))
    page.get_by_role("button", name="Add", exact=True).click()

    page.locator("textarea[name=text]").fill(json.dumps(SHOP))
    page.get_by_role("button", name="Read", exact=True).click()
    page.get_by_text("Find orders").wait_for()
    page.locator("[data-find]").fill("find")
    page.get_by_role("button", name="Choose all that are shown").click()
    page.get_by_text("1 chosen").wait_for()
    page.get_by_role("button", name="See what would change").click()
    page.get_by_text("1 new, 0 changed, 0 unchanged, 0 gone.").wait_for()
    picture(page, "api-import")
    page.get_by_role("button", name="Import", exact=True).click()

    page.get_by_role("link", name="Find orders").click()
    page.locator("#id_is_mocked").wait_for(state="attached")
    picture(page, "api-tool")
    page.locator("#id_is_mocked").check(force=True)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("“Find orders” is saved.").wait_for()
    page.locator("[data-argument=state]").select_option("paid")
    page.get_by_role("button", name="Call", exact=True).click()
    page.locator("[data-content]").get_by_text('"number": 17').wait_for()
    picture(page, "api-tool-tried", of=page.locator("[data-try-api]"))
