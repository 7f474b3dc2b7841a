"""What a person does several times in the admin."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.browser import pictures

SECONDS = 1_000
HOLIDAYS = b"""# Holidays

## How many days

Every employee may take thirty days of holiday each year.

## Whom to ask

Ask your team lead at least two weeks before the holiday begins.
"""


USED: set[str] = set()


def named(name: str) -> str:
    """A name that no other test and no rerun uses; in pictures without the mark that makes it so, the first time."""
    is_plain = pictures.IS_WANTED and name not in USED
    USED.add(name)
    return name if is_plain else f"{name} {uuid4().hex[:6]}"


def add_upload_source(page: Any, name: str) -> str:
    page.goto("/admin/knowledge/knowledgesource/add/?connector=upload")
    page.get_by_label("Name", exact=False).first.fill(name)
    page.get_by_role("button", name="Add").click()
    page.get_by_role("link", name="Upload", exact=True).click()
    return name


def upload(page: Any, **files: bytes) -> None:
    """Each is Markdown, named without its ending."""
    page.locator("input[type=file]").set_input_files(
        [{"name": f"{name}.md", "mimeType": "text/markdown", "buffer": text} for name, text in files.items()]
    )
    page.locator("[data-progress] [data-label]", has_text="Done").wait_for(timeout=60 * SECONDS)


def add_tool(page: Any, name: str, source: str) -> None:
    page.goto("/admin/tools_app/ragtool/add/")
    page.get_by_label("Name", exact=False).first.fill(name)
    page.get_by_label(source).check()
    page.get_by_role("button", name="Add").click()
    page.get_by_role("heading", name="Try it").wait_for()


def ask(page: Any, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask").click()


def answered(page: Any) -> None:
    page.get_by_text("How it came about").wait_for(timeout=60 * SECONDS)
