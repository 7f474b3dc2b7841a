"""Only numbers of passages that the model was given reach the caller, however the model writes them."""

from __future__ import annotations

import random

import pytest

from tools_app.citations import CitationFilter, check

FIVE = range(1, 6)

CASES = {
    "a valid number stays": ("Press Save [1].", "Press Save [1]."),
    "an invented number goes, with the space before it": ("Press Save [7].", "Press Save."),
    "zero is no passage": ("Press Save [0].", "Press Save."),
    "an invented number between valid ones goes": ("Save [1][7][2].", "Save [1][2]."),
    "lists become single numbers": ("Save [1, 2; 3].", "Save [1][2][3]."),
    "a list keeps its valid part": ("Save [2, 9].", "Save [2]."),
    "a list of nothing but invented numbers goes": ("Save [8, 9] now.", "Save now."),
    "a number named twice in one marker counts once": ("Save [1, 1].", "Save [1]."),
    "ranges are written out": ("Save [2-4].", "Save [2][3][4]."),
    "an endless range keeps what exists": ("Save [4–999].", "Save [4][5]."),
    "footnotes": ("Save[^2].", "Save[2]."),
    "double brackets": ("Save [[2]] or [[8]].", "Save [2] or."),
    "lenticular brackets with an origin": ("Save【1†source】 or 【3:0†L1-L4】.", "Save[1] or [3]."),
    "full-width brackets": ("保存［2］。", "保存[2]。"),
    "words in the marker": ("Save [Passage 2] and [sources 1 and 3].", "Save [2] and [1][3]."),
    "spaces in the marker": ("Save [ 2 ].", "Save [2]."),
    "at the beginning of a line": ("[7] Press Save.\n[8] Done.", "Press Save.\nDone."),
    "a number alone": ("[7]", ""),
    "a year is no citation": ("Founded [2024] in Riga.", "Founded [2024] in Riga."),
    "a link is no citation": (
        "See [the guide](https://example.com/a[1]).",
        "See [the guide](https://example.com/a[1]).",
    ),
    "a checkbox is no citation": ("- [ ] one\n- [x] two", "- [ ] one\n- [x] two"),
    "a bracket that never closes": ("Press [1 and hold", "Press [1 and hold"),
    "a bracket at the very end": ("Press [", "Press ["),
    "brackets in brackets": ("Press [[1] now", "Press [[1] now"),
    "an index in code is left alone": ("Use `rows[7]` [1].", "Use `rows[7]` [1]."),
    "a list in code is left alone": ('Send `{"limit": [7, 8]}`.', 'Send `{"limit": [7, 8]}`.'),
    "fenced code is left alone": ("```\nx = [9]\ny = x[0]\n```\nSo [9].", "```\nx = [9]\ny = x[0]\n```\nSo."),
    "a citation in code is a citation": ("Use `rows [7]`.", "Use `rows`."),
    "an index outside code is a citation": ("Riga[1] and Liepaja[7].", "Riga[1] and Liepaja."),
    "a backtick that is never closed ends with its line": ("Press ` and\nrows[7].", "Press ` and\nrows."),
    "spaces and lines stay as they are": ("a  b\n\n  c \n", "a  b\n\n  c \n"),
    "other scripts' digits": ("حفظ [٢] [٩].", "حفظ [2]."),
}


@pytest.mark.parametrize(("written", "sent"), CASES.values(), ids=CASES)
def test_text_of_a_model_as_the_caller_gets_it(written: str, sent: str) -> None:
    text, _cited, _invented = check(written, numbers=FIVE)
    assert text == sent


def test_says_which_numbers_were_cited_and_which_were_invented() -> None:
    _text, cited, invented = check("One [2]. Two [3, 9]. Three [0] `rows[5]`.", numbers=FIVE)
    assert cited == {2, 3}
    assert invented == {0, 9}


def test_without_passages_every_number_is_invented() -> None:
    assert check("Nothing [1].", numbers=()) == ("Nothing.", frozenset(), frozenset({1}))


@pytest.mark.parametrize("written", CASES.values(), ids=CASES)
def test_a_stream_cut_at_any_place_gives_the_same_text(written: tuple[str, str]) -> None:
    text, whole = written
    for place in range(len(text) + 1):
        assert streamed([text[:place], text[place:]]) == whole
    assert streamed(list(text)) == whole


def test_random_streams_give_the_text_of_the_whole() -> None:
    chance = random.Random(7)
    pieces = [*"[]【】`^†,;-– \n\t12390ax=(.", "[1]", "[7]", "[[", "]]", " [2, 8]", "```", "source", " and "]
    for _ in range(3_000):
        text = "".join(chance.choices(pieces, k=chance.randint(1, 30)))
        parts: list[str] = []
        rest = text
        while rest:
            size = chance.randint(1, 6)
            parts, rest = [*parts, rest[:size]], rest[size:]
        assert streamed(parts) == streamed([text]), repr(text)


def test_a_bracket_that_cannot_become_a_citation_is_sent_on_at_once() -> None:
    checking = CitationFilter(FIVE)
    assert checking.feed("See [the") == "See"
    assert checking.feed(" guide") == " [the guide"


def test_a_possible_citation_is_held_back_until_it_is_decided() -> None:
    checking = CitationFilter(FIVE)
    assert checking.feed("Save [") == "Save"
    assert checking.feed("7") == ""
    assert checking.feed("]") == ""
    assert checking.feed(". Then") == ". Then"


def test_an_endless_marker_does_not_hold_the_answer_back_for_ever() -> None:
    checking = CitationFilter(FIVE)
    sent = "".join(checking.feed("[1" if n == 0 else ", 1") for n in range(1_000))
    assert len(sent) > 2_000


def streamed(parts: list[str]) -> str:
    checking = CitationFilter(FIVE)
    return "".join([*(checking.feed(part) for part in parts), checking.close()])
