"""A prompt template in a real browser: variables in a table, a draft beside what is live, values kept to try again."""

from __future__ import annotations

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import named

pytestmark = pytest.mark.browser


def test_a_draft_is_tried_beside_what_is_live_before_it_is_published(page):
    page.goto("/admin/magnet/prompttemplate/add/")
    page.get_by_label("Name", exact=False).first.fill(named("Opening hours"))
    page.locator("#id_prompt").fill("{question}\n\n{text}")
    page.get_by_role("button", name="Add").click()
    page.get_by_text("is added").wait_for()

    page.get_by_role("button", name="Add a variable").click()
    rows = page.locator("[data-rows=variables] tbody tr")
    rows.last.get_by_label("Name").fill("tone")
    rows.last.get_by_label("If nobody gives one").fill("kind")
    page.locator("#id_prompt").fill("{question} ({tone})\n\n{text}")
    picture(page, "prompt-template")
    page.get_by_role("button", name="Save draft").click()
    page.get_by_text("Draft saved").wait_for()

    page.get_by_role("link", name="Playground").click()
    # Who clicks before its script is there clicks for nothing.
    page.wait_for_url("**/playground/**", wait_until="load")
    page.locator("#value_question").fill("When does the office open?")
    page.locator("#value_text").fill("The office opens at nine. Dogs may come in on Fridays.")
    page.get_by_role("button", name="Run").click()
    for side in ("a", "b"):
        page.locator(f"[data-side={side}] [data-output]", has_text="The office opens at nine.").wait_for()
        page.locator(f"[data-side={side}] [data-facts]", has_text="tokens").wait_for()
    page.get_by_placeholder("name of a test input").fill("office hours")
    page.get_by_role("button", name="Keep these values").click()
    page.locator("[data-forget]").wait_for()
    picture(page, "playground")

    runs = page.get_by_role("cell", name="When does the office open?")
    # They stand there once their traces are written, a moment after the answers.
    for _ in range(60):
        page.reload(wait_until="load")
        if runs.count() == 2:
            break
        page.wait_for_timeout(500)
    assert runs.count() == 2
    page.locator("[data-input-choice]").select_option("office hours")
    assert page.locator("#value_question").input_value() == "When does the office open?"
