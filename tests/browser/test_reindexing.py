"""A source gets another way of cutting: re-indexed beside, compared, switched, without a pause."""

from __future__ import annotations

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import HOLIDAYS, SECONDS, add_upload_source, named, upload

pytestmark = pytest.mark.browser


def test_another_way_of_cutting_is_built_beside_compared_and_switched_to(page):
    add_upload_source(page, named("Handbook for staff"))
    upload(page, holidays=HOLIDAYS)
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_text("Reading and finding").click()
    page.get_by_role("radio", name="Sections One chunk").check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("the tab “Index” offers a re-index").wait_for()

    page.get_by_role("link", name="Index", exact=True).click()
    page.get_by_role("heading", name="These settings differ from what serves").wait_for()
    picture(page, "re-index-offer")
    page.get_by_role("button", name="Re-index beside").click()
    page.get_by_role("link", name="Compare the two").click(timeout=60 * SECONDS)

    page.get_by_placeholder("A question").first.fill("How many days of holiday do I get?")
    page.get_by_placeholder("Id of the right document").first.fill("holidays.md")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("cell", name="How many days of holiday do I get?").wait_for()
    assert page.get_by_text("1 → 1").is_visible()
    picture(page, "re-index-compare")

    page.get_by_role("link", name="Back to the index").click()
    page.get_by_role("button", name="Switch to generation 2").click()
    page.get_by_role("button", name="Back to generation 1").wait_for(timeout=60 * SECONDS)
    picture(page, "re-index-undo")
