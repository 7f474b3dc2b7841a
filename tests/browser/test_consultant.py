"""The minute of a consultant: a wrong answer, why, the fix as a draft, compared, published and undone."""

from __future__ import annotations

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import SECONDS, add_tool, add_upload_source, answered, ask, named, upload
from tests.processes import eventually

pytestmark = pytest.mark.browser

RETURNS = "# Returning {goods}\n\nShoes may be returned within thirty days when they were not worn outside.\n"
DELIVERY = "# Delivery of {goods}\n\nParcels leave the warehouse each afternoon at four.\n"
QUESTION = "Within how many days may shoes be returned?"


def test_a_wrong_answer_is_explained_mended_compared_published_and_undone(page):
    goods = named("shoes")
    a_tool_that_asks_for_too_much(page, goods)

    ask(page, QUESTION)
    answered(page)
    assert page.locator("[data-answer]").inner_text() == "I found nothing about that."

    why = page.locator("#why-not")
    document = why.get_by_label("Title, address or id of a document")
    document.press_sequentially("Returning")
    why.locator(f"datalist option[value='Returning {goods}']").wait_for(state="attached")
    document.fill(f"Returning {goods}")
    why.get_by_role("button", name="Explain").click()
    why.get_by_text("Below the minimum score: its best passage scored 0.").wait_for()
    assert "2 in the sources → 2 weighed" in why.locator("[data-why-funnel]").inner_text()
    picture(page, "why-not", of=why)

    why.get_by_role("link", name="Change this: minimum score").click()
    assert page.url.endswith("#id_minimum_score")
    assert page.evaluate("document.querySelector(':target')?.id") == "id_minimum_score"
    page.locator("#id_minimum_score").fill("0.1")
    page.get_by_role("button", name="Save draft").click()
    page.get_by_text("Draft: version 3").wait_for()

    ask(page, QUESTION)
    page.locator("[data-answer]", has_text="thirty days").wait_for(timeout=60 * SECONDS)
    page.locator(".mg-segments label", has_text="Live").click()
    ask(page, QUESTION)
    page.get_by_text("version 2", exact=True).wait_for(timeout=60 * SECONDS)
    assert page.locator("[data-answer]").inner_text() == "I found nothing about that."

    page.get_by_role("link", name="Publish", exact=True).click()
    assert page.get_by_text("0.99").first.is_visible()
    assert page.get_by_text("0.1", exact=True).first.is_visible()
    page.get_by_role("button", name="Publish version 3").click()
    page.get_by_text(f"Version 3 of “Shop for {goods}").wait_for()

    page.get_by_role("button", name="Undo: back to version 2").click()
    page.get_by_text("Undone: version 2 is live again.").wait_for()


def test_the_page_of_an_answer_explains_it_later(page):
    goods = named("boots")
    a_tool_that_asks_for_too_much(page, goods)
    ask(page, QUESTION)
    answered(page)
    address = page.get_by_role("link", name="How it came about").get_attribute("href")
    # It is written a moment after its answer.
    assert eventually(lambda: "data-why-not" in page.request.get(address).text(), seconds=60)
    page.goto(address)

    why = page.locator("#why-not")
    document = why.get_by_label("Title, address or id of a document")
    document.fill("A page that nobody wrote")
    why.get_by_role("button", name="Explain").click()
    why.get_by_text("Never synced: no source has a document").wait_for()
    document.fill(f"Delivery of {goods}")
    why.get_by_role("button", name="Explain").click()
    why.get_by_text("Below the minimum score").first.wait_for()
    assert f"Delivery of {goods}" in why.inner_text()


def a_tool_that_asks_for_too_much(page, goods: str) -> None:
    """Two documents, and a tool whose minimum score no passage reaches, published by somebody in a hurry."""
    source = add_upload_source(page, f"Rules for {goods}")
    upload(page, returns=RETURNS.format(goods=goods).encode(), delivery=DELIVERY.format(goods=goods).encode())
    add_tool(page, f"Shop for {goods}", source)
    page.locator("#id_minimum_score").fill("0.99")
    page.get_by_role("button", name="Save and review for publishing").click()
    page.get_by_role("button", name="Publish version 2").click()
    page.get_by_text(f"Version 2 of “Shop for {goods}").wait_for()
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("heading", name="Try it").wait_for()
