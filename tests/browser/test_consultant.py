"""The minute of a consultant: a wrong answer, why, the fix as a draft, compared, published and undone."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.browser.test_support_lead import SECONDS, add_tool, add_upload_source, ask
from tests.processes import eventually

pytestmark = pytest.mark.browser

RETURNS = b"# Returning shoes\n\nShoes may be returned within thirty days when they were not worn outside.\n"
DELIVERY = b"# Delivery\n\nParcels leave the warehouse each afternoon at four.\n"
QUESTION = "Within how many days may shoes be returned?"


def test_a_wrong_answer_is_explained_mended_compared_published_and_undone(page, photograph):
    # A rerun finds what the first run has left.
    mark = uuid4().hex[:6]
    a_tool_that_asks_for_too_much(page, mark)

    ask(page, QUESTION)
    page.get_by_text("How it came about").wait_for(timeout=60 * SECONDS)
    assert page.locator("[data-answer]").inner_text() == "I found nothing about that."

    why = page.locator("#why-not")
    named = why.get_by_label("Title, address or id of a document")
    named.press_sequentially("Returning")
    why.locator(f"datalist option[value='Returning shoes {mark}']").wait_for(state="attached")
    named.fill(f"Returning shoes {mark}")
    why.get_by_role("button", name="Explain").click()
    why.get_by_text("Below the minimum score: its best passage scored 0.").wait_for()
    assert "2 in the sources → 2 weighed" in why.locator("[data-why-funnel]").inner_text()
    why.locator("[data-why-funnel]").scroll_into_view_if_needed()
    photograph("why-not")

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
    photograph("why-not-compared")
    page.get_by_role("button", name="Publish version 3").click()
    page.get_by_text("Version 3 of “Shoe shop").wait_for()

    page.get_by_role("button", name="Undo: back to version 2").click()
    page.get_by_text("Undone: version 2 is live again.").wait_for()


def test_the_page_of_an_answer_explains_it_later(page, photograph):
    mark = uuid4().hex[:6]
    a_tool_that_asks_for_too_much(page, mark)
    ask(page, QUESTION)
    page.get_by_text("How it came about").wait_for(timeout=60 * SECONDS)
    address = page.get_by_role("link", name="How it came about").get_attribute("href")
    # It is written a moment after its answer.
    assert eventually(lambda: "data-why-not" in page.request.get(address).text(), seconds=60)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="How it came about").click()
    trace = opened.value

    why = trace.locator("#why-not")
    why.get_by_label("Title, address or id of a document").fill("A page that nobody wrote")
    why.get_by_role("button", name="Explain").click()
    why.get_by_text("Never synced: no source has a document").wait_for()
    why.get_by_label("Title, address or id of a document").fill(f"delivery-{mark}.md")
    why.get_by_role("button", name="Explain").click()
    why.get_by_text("Below the minimum score").first.wait_for()
    assert f"Delivery {mark}" in why.inner_text()
    trace.screenshot(path="test-results/why-not-trace.png")


def a_tool_that_asks_for_too_much(page, mark: str) -> None:
    """Two documents, and a tool whose minimum score no passage reaches, published by somebody in a hurry."""
    source = add_upload_source(page, f"Shoe shop rules {mark}")
    page.locator("input[type=file]").set_input_files(
        [file(f"returns-{mark}.md", RETURNS, mark=mark), file(f"delivery-{mark}.md", DELIVERY, mark=mark)]
    )
    page.locator("[data-progress] [data-label]", has_text="Done").wait_for(timeout=60 * SECONDS)
    add_tool(page, f"Shoe shop {mark}", source)
    page.locator("#id_minimum_score").fill("0.99")
    page.get_by_role("button", name="Save and review for publishing").click()
    page.get_by_role("button", name="Publish version 2").click()
    page.get_by_text("Version 2 of “Shoe shop").wait_for()
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("heading", name="Try it").wait_for()


def file(name: str, text: bytes, *, mark: str) -> dict[str, object]:
    """Its title bears the mark."""
    head, rest = text.split(b"\n", 1)
    return {"name": name, "mimeType": "text/markdown", "buffer": head + f" {mark}\n".encode() + rest}
