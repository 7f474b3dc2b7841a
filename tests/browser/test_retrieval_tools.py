"""A retrieval tool in a real browser: added with a source, tried, and explained stage by stage."""

from __future__ import annotations

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import HOLIDAYS, SECONDS, add_upload_source, named, upload

pytestmark = pytest.mark.browser


def test_a_retrieval_tool_shows_what_it_finds_and_what_each_stage_kept(page):
    source = add_upload_source(page, named("Rules for holidays"))
    upload(page, holidays=HOLIDAYS)
    page.goto("/admin/tools_app/retrievaltool/add/")
    page.get_by_label("Name", exact=False).first.fill(named("Find rules"))
    page.get_by_label(source).check()
    page.get_by_role("button", name="Add").click()
    page.get_by_role("heading", name="Try it").wait_for()

    page.locator("#try_question").fill("How many days of holiday do I get?")
    page.get_by_role("button", name="Search", exact=True).click()

    found = page.locator("[data-try-search] [data-result]")
    found.get_by_text("thirty days").first.wait_for(state="attached", timeout=60 * SECONDS)
    found.locator("details", has_text="thirty days").first.locator("summary").first.click()
    assert found.get_by_text("thirty days").first.is_visible()
    picture(page, "retrieval-tool")
