"""A document's text on its page: readable, harmless, with chunks and the cited passage where they stand."""

import re

from knowledge.admin.reading import PART_CHARACTERS, Mark, part_of, rendered
from tests.fixtures_admin import HOSTILE

TEXT = """# Holidays

Thirty days each year.

- Ask your lead
- Write it down

| Month | Days |
|-------|------|
| May   | 3    |
| June  | 4    |
"""


def marked(html):
    """The texts of the marked blocks."""
    return [
        re.sub(r"<[^>]+>", "", part)
        for part in re.findall(r'class="mg-highlight"[^>]*>(.*?)</(?:p|li|tr|h1)>', html, re.S)
    ]


def passage(words):
    return TEXT.index(words), TEXT.index(words) + len(words)


def test_a_passage_is_marked_where_it_stands_and_can_be_jumped_to():
    html = rendered(TEXT, passage=passage("Thirty days each year."))

    assert marked(html) == ["Thirty days each year."]
    assert html.count('id="passage"') == 1
    assert "<h1>Holidays</h1>" in html


def test_a_single_row_of_a_table_and_a_single_point_of_a_list_are_marked():
    assert "3" in marked(rendered(TEXT, passage=passage("| May   | 3    |")))[0]
    assert len(marked(rendered(TEXT, passage=passage("| May   | 3    |")))) == 1
    assert [text.strip() for text in marked(rendered(TEXT, passage=passage("Write it down")))] == ["Write it down"]


def test_a_long_paragraph_is_broken_where_the_passage_begins_and_ends():
    text = "One two three. Four five six. Seven eight nine."
    start = text.index("Four")

    html = rendered(text, passage=(start, start + len("Four five six. ")))

    assert marked(html) == ["Four five six."]
    assert "Seven eight nine." in html


def test_each_chunk_says_where_it_begins():
    second = TEXT.index("- Ask")
    html = rendered(TEXT, marks=[Mark(0, second, "Chunk 1"), Mark(second, len(TEXT), "Chunk 2 · Holidays")])

    assert '<h1 data-first-of="Chunk 1">' in html
    assert 'data-first-of="Chunk 2 · Holidays"' in html


def test_a_document_cannot_act_on_whoever_reads_it():
    html = rendered(
        f"{HOSTILE}\n\n[click](javascript:alert(1))\n\n![beacon](https://tracker.example/x.png)\n\n"
        f'`{HOSTILE}`\n\n```{HOSTILE}\n{HOSTILE}\n```\n\n[{HOSTILE}](https://example.com/"onclick=alert(1))'
    )

    assert "<script" not in html
    assert "<img" not in html
    assert "javascript:" not in re.sub(r">[^<]*<", "><", html)
    assert not re.search(r"<[^>]*\son\w+=", html)
    assert 'rel="noopener noreferrer nofollow"' in rendered("[a](https://example.com)")


def test_strange_texts_are_shown_and_not_refused():
    for text in ("", "\0\x01", "\r\nA\rB\r\n", "x" * 5_000, "| a |\n|", "[" * 500, "> " * 100 + "deep", "☃" * 10):
        rendered(text, marks=[Mark(0, len(text), "Chunk 1")], passage=(0, max(len(text), 1)))


def test_a_long_text_is_shown_in_parts_and_opens_at_its_passage():
    length = PART_CHARACTERS * 3 + 10

    assert part_of(100, wanted=None, passage=None).count == 1
    assert part_of(length, wanted=None, passage=(PART_CHARACTERS + 5, PART_CHARACTERS + 9)).number == 2
    assert part_of(length, wanted=99, passage=None).number == 4
    across = part_of(length, wanted=None, passage=(PART_CHARACTERS - 5, PART_CHARACTERS + 5))
    assert (across.number, across.end) == (1, PART_CHARACTERS + 5)
