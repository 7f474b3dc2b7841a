"""Thumbs under “Try it”: what a person says of an answer is kept, counted and shown with its trace."""

from __future__ import annotations

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import HOLIDAYS, add_tool, add_upload_source, answered, ask, named, upload

pytestmark = pytest.mark.browser


def test_an_answer_that_did_not_help_is_rated_while_it_is_tried(page):
    source = add_upload_source(page, named("Rules of the house"))
    upload(page, holidays=HOLIDAYS)
    add_tool(page, named("House help"), source)
    ask(page, "How many days of holiday do I get?")
    answered(page)

    opinion = page.locator("[data-opinion]")
    opinion.get_by_role("button", name="Not a good answer").click()
    opinion.get_by_text("Thank you.").wait_for()
    opinion.get_by_label("Why not?").select_option("incomplete")
    opinion.get_by_text("Noted.").wait_for()
    opinion.get_by_label("Comment").fill("Part-time work is missing.")
    with page.expect_response(lambda response: response.url.endswith("/feedback")):
        page.keyboard.press("Tab")

    page.reload()
    page.get_by_role("link", name="Liked: 0 % of 1 rating").click()
    page.get_by_role("link", name="How many days of holiday do I get?").first.click()
    page.get_by_text("Part-time work is missing.").wait_for()
    picture(page, "feedback", of=page.get_by_text("Part-time work is missing."))
