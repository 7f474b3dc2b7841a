"""The ask page in a real browser: a colleague asks, opens a passage, rates the answer, by day, by night, on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import HOLIDAYS, SECONDS, add_tool, add_upload_source, named, upload

pytestmark = pytest.mark.browser


@pytest.fixture
def ask_page(page, request):
    """The address of the ask page of a new tool with one document."""
    name = named("Rules on the phone" if "phone" in request.node.name else "Holiday rules")
    source = add_upload_source(page, name)
    upload(page, holidays=HOLIDAYS)
    add_tool(page, name, source)
    page.get_by_label("Header").fill("Ask about holidays")
    page.get_by_label("Introduction").fill("Answers from the staff rules.")
    page.get_by_label("Sample questions").fill("How many days of holiday do I get?\nWhom do I ask for a holiday?")
    page.get_by_role("button", name="Save and review for publishing").click()
    page.get_by_role("button", name="Publish version 2").click()
    link = page.get_by_role("link", name="Open the ask page")
    link.wait_for()
    return link.get_attribute("href")


def test_a_colleague_asks_opens_a_passage_and_says_whether_it_helped(page, browser, magnet, ask_page):
    page.goto(ask_page)
    page.get_by_role("button", name="How many days of holiday do I get?").click()
    first = page.locator("article").first
    first.get_by_role("link", name="How it came about").wait_for(timeout=60 * SECONDS)
    assert "thirty days" in first.locator("[data-said]").inner_text()
    assert first.get_by_text("No language model configured: these are quotes.").is_visible()

    first.locator("[data-said] button").first.click()
    panel = page.locator("dialog[open]")
    assert "thirty days" in panel.inner_text()
    assert panel.get_by_role("link", name="Show in the admin").is_visible()
    assert panel.get_by_role("link", name="Open the document").is_hidden()
    picture(page, "ask-passage")
    page.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert first.locator("[data-said] button").first.evaluate("button => button === document.activeElement")

    first.get_by_role("button", name="This did not help").click()
    first.get_by_text("Thank you.").wait_for()
    first.get_by_label("What was wrong?").select_option("incomplete")
    first.get_by_label("Your comment").fill("And part-time?")
    first.get_by_role("button", name="Send").click()
    first.get_by_text("Those who look after the answers will read it.").wait_for()

    page.context.grant_permissions(["clipboard-write", "clipboard-read"])
    first.get_by_role("button", name="Copy").click()
    first.get_by_role("button", name="Copied").wait_for()
    (kept,) = feedback_on(page, first)
    assert (kept["rating"], kept["reason"], kept["comment"]) == ("dislike", "incomplete", "And part-time?")

    picture(page, "ask-page")
    page.get_by_label("Your question").fill("Whom do I ask?")
    page.keyboard.press("Enter")
    page.locator("article").nth(1).get_by_role("link", name="How it came about").wait_for(timeout=60 * SECONDS)
    assert "thirty days" in first.locator("[data-said]").inner_text()


def test_the_page_fits_a_phone_and_says_in_words_what_goes_wrong(page, ask_page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(ask_page)
    page.context.set_offline(True)
    page.get_by_role("button", name="Whom do I ask for a holiday?").click()
    page.get_by_text("The server cannot be reached. Check your connection.").wait_for()

    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("link", name="How it came about").wait_for(timeout=60 * SECONDS)
    assert page.get_by_role("button", name="Try again").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture(page, "ask-phone")
    page.locator("[data-said] button").first.click()
    page.locator("dialog[open]").wait_for()
    page.get_by_role("button", name="Close the passage").click()

    page.context.clear_cookies()
    page.get_by_label("Your question").fill("How many days?")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("You are signed out.").wait_for()
    assert page.get_by_role("link", name="Sign in").get_attribute("href") == f"/ask/session/begin?next={ask_page}"


def feedback_on(page, turn) -> list[dict[str, Any]]:
    """What the API tells of the feedback on this answer."""
    address = turn.get_by_role("link", name="How it came about").get_attribute("href")
    trace = address.strip("/").split("/")[-2]
    return page.request.get(f"/api/traces/{trace}").json()["feedback"]
