"""Who looks into chunks by their words finds a single Chinese or Japanese character, as the searches of tools do."""

from __future__ import annotations

import pytest

from knowledge.admin.exploring import holding, served_chunks
from tests.knowledge.chunks import Page, make_source

pytestmark = pytest.mark.django_db

TAX, STAMPS, RETURNS = "所得税は秋に払います。", "印紙 税 は別です。", "返品は三十日以内です。"


@pytest.fixture(autouse=True)
def shelves():
    pages = (Page(str(number), text, language="ja") for number, text in enumerate((TAX, STAMPS, RETURNS)))
    make_source("shelf", [*pages, Page("bees", "Bees make honey.")])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("税", {TAX, STAMPS}),
        ("返", {RETURNS}),
        ("税 秋", {TAX}),
        ("犬", set()),
        ("所得税", {TAX}),
        ("honey", {"Bees make honey."}),
    ],
)
def test_chunks_are_found_by_characters_pairs_and_words(asked, expected):
    assert {chunk.text for chunk in holding(served_chunks(), asked)} == expected
