"""Choosing how texts are cut, in a real browser: the settings follow the choice, and a preview shows what it does."""

from __future__ import annotations

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import HOLIDAYS, SECONDS

pytestmark = pytest.mark.browser


def test_settings_follow_the_choice_and_a_preview_shows_its_chunks(page):
    page.goto("/admin/knowledge/knowledgesource/add/?connector=upload")
    page.get_by_label("Name", exact=False).first.fill("Staff rules")
    page.get_by_text("Reading and finding").click()
    assert page.locator("#id_chunker_paragraphs__overlap_tokens").is_visible()
    page.get_by_role("radio", name="By subject").check()
    page.locator("#id_chunker_semantic__breakpoint_percentile").wait_for()
    assert not page.locator("#id_chunker_paragraphs__overlap_tokens").is_visible()
    picture(page, "chunkers")

    page.get_by_role("radio", name="Sections One chunk").check()
    page.locator("#id_chunker_markdown__max_tokens").fill("64")
    page.locator("[data-preview-file] input").set_input_files(
        {"name": "holidays.md", "mimeType": "text/markdown", "buffer": HOLIDAYS * 3}
    )
    page.get_by_text("Chunk by chunk").wait_for(timeout=60 * SECONDS)
    page.locator("[data-preview-result] details").nth(1).click()
    picture(page, "cutting-preview", of=page.locator("[data-preview-result]"))

    page.locator("#id_chunker_markdown__max_tokens").fill("1")
    page.get_by_role("button", name="Preview").click()
    page.locator("[data-preview-result] .mg-danger").wait_for(timeout=60 * SECONDS)
