"""An MCP server is added, tested and read; its tools are approved, and one is tried."""

from __future__ import annotations

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import SECONDS, named
from tests.fixtures_mcp import McpProcess

pytestmark = pytest.mark.browser


@pytest.fixture
def weather(tmp_path):
    process = McpProcess(tmp_path, "streamable-http")
    yield process
    process.kill()


def test_tools_of_an_mcp_server_are_read_approved_and_tried(page, weather):
    page.goto("/admin/tools_app/mcpserver/add/?transport=streamable_http")
    page.locator("#id_name").fill(named("Weather office"))
    page.locator("#id_url").fill(weather.url)
    page.get_by_text("Limits and safety").click()
    page.locator("#id_allows_private_addresses").check(force=True)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("is added").or_(page.get_by_role("heading", name="What the server offers")).first.wait_for()

    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("button", name="Test connection").click()
    page.locator("[data-check-result].mg-success").wait_for(timeout=60 * SECONDS)
    picture(page, "mcp-server")
    page.get_by_role("link", name="Tools", exact=True).last.click()
    page.get_by_role("button", name="Refresh tools").click()
    row = page.get_by_role("row").filter(has_text="Tells the weather of a city.")
    row.wait_for(timeout=60 * SECONDS)
    picture(page, "mcp-tools")
    row.get_by_role("button", name="Approve").click()
    page.get_by_role("link", name="weather", exact=True).click()

    page.locator("[data-argument=city]").fill("Riga")
    page.get_by_role("button", name="Call", exact=True).click()
    page.locator("[data-content]").get_by_text("Riga: sunny for").wait_for(timeout=60 * SECONDS)
    picture(page, "mcp-tool")
