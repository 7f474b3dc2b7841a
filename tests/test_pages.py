"""The pages that come with Magnet name only files that are there, and each picture is small and named by a page."""

from __future__ import annotations

import re

from tests.processes import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PICTURES = sorted((ROOT / "docs" / "images").rglob("*.png"))
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


def test_pages_lead_to_files_that_are_there():
    named = {page: [(page.parent / found).resolve() for found in LINK.findall(page.read_text())] for page in PAGES}
    dead = [(page.name, str(file)) for page, files in named.items() for file in files if not file.exists()]
    pictures = {file for files in named.values() for file in files if file.suffix == ".png"}

    assert dead == []
    assert set(PICTURES) == pictures


def test_pictures_are_small_enough_for_a_repository():
    assert [picture.name for picture in PICTURES if picture.stat().st_size > 120_000] == []
