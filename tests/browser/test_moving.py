"""A tool leaves one Magnet as a file and comes back changed: exported, planned, imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.pictures import picture
from tests.browser.steps import add_tool, add_upload_source, named

pytestmark = pytest.mark.browser


def test_a_tool_is_exported_and_a_changed_file_is_imported_after_a_look_at_the_plan(page):
    source = add_upload_source(page, named("Travel rules"))
    add_tool(page, named("Travel help"), source)
    page.get_by_role("link", name="Where used", exact=True).click()
    with page.expect_download() as exported:
        page.get_by_role("link", name="Export", exact=True).click()
    text = Path(exported.value.path()).read_text()
    assert "I found nothing about that." in text

    page.goto("/admin/move/")
    changed = text.replace("I found nothing about that.", "Ask the travel desk, please.")
    page.locator("textarea[name=document]").fill(changed)
    page.get_by_role("button", name="See what would change").click()
    page.locator("ins", has_text="Ask the travel desk, please.").wait_for()
    picture(page, "move-plan")
    page.get_by_role("button", name="Import", exact=True).click()

    page.get_by_text("Imported: 0 new, 1 changed").wait_for()
