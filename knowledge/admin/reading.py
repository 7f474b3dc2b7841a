"""A document's text as a readable page: rendered Markdown in which chunks begin and a passage is marked.

Nothing in a document becomes HTML of its own, and no image is fetched: both would let a document act on its reader.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

# Longer texts are shown in parts: a browser grows slow, and nobody reads them in one go.
PART_CHARACTERS = 80_000
BREAK = "\n\n"
# What carries text itself; lists, quotes and tables only hold such blocks.
LEAVES = {"paragraph_open", "heading_open", "fence", "code_block", "tr_open"}
LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Mark:
    """A chunk's place in the text, and what is written above it."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Part:
    """The stretch of a long text that is shown."""

    number: int
    count: int
    start: int
    end: int


def part_of(length: int, *, wanted: int | None, passage: tuple[int, int] | None) -> Part:
    """The part asked for, else the one with the passage, else the first."""
    count = max(1, -(-length // PART_CHARACTERS))
    number = wanted or (passage[0] // PART_CHARACTERS + 1 if passage else 1)
    number = min(max(number, 1), count)
    start = (number - 1) * PART_CHARACTERS
    end = min(length, start + PART_CHARACTERS)
    if passage and start <= passage[0] < end < passage[1]:
        end = min(length, passage[1])
    return Part(number, count, start, end)


def rendered(text: str, *, marks: Sequence[Mark] = (), passage: tuple[int, int] | None = None) -> SafeString:
    """The text as HTML; blocks of `passage` are marked and the first of them is `#passage`."""
    cuts = sorted({mark.start for mark in marks} | set(passage or ()))
    shown = Shown.cut(text, cuts=inside_paragraphs(text, cuts))
    markdown = _markdown()
    environment: dict[str, Any] = {}
    tokens = markdown.parse(shown.text, environment)
    _mark_blocks(list(_blocks(tokens, shown)), marks=marks, passage=passage)
    html: str = markdown.renderer.render(tokens, markdown.options, environment)
    # Markdown-it escapes the text itself; with `html` off it writes no tag that is not its own.
    return mark_safe(html)  # noqa: S308


@dataclass(frozen=True)
class Shown:
    """The text with paragraph breaks put in at `cuts`, and the way back to its own offsets."""

    text: str
    cuts: tuple[int, ...]

    @classmethod
    def cut(cls, text: str, *, cuts: Sequence[int]) -> Shown:
        edges = [0, *cuts, len(text)]
        return cls(BREAK.join(text[a:b] for a, b in pairwise(edges)), tuple(cuts))

    def own_offset(self, offset: int) -> int:
        moved = [cut + len(BREAK) * (number + 1) for number, cut in enumerate(self.cuts)]
        passed = bisect_right(moved, offset)
        own = offset - len(BREAK) * passed
        # Within a break that was put in: nothing of the text stands there.
        return min(own, self.cuts[passed]) if passed < len(self.cuts) else own


def inside_paragraphs(text: str, offsets: Iterable[int]) -> list[int]:
    """Those offsets at which a paragraph may be broken: inside of it, and not in a list, table or block of code."""
    shown = Shown(text, ())
    plain = [block for block in _blocks(_markdown().parse(text), shown) if block.is_plain]
    return [offset for offset in offsets if any(block.start < offset < block.end - 1 for block in plain)]


@dataclass
class Block:
    token: Token
    start: int
    end: int
    is_plain: bool


def _blocks(tokens: Sequence[Token], shown: Shown) -> Iterable[Block]:
    lines = [0, *(match.end() for match in LINE_END.finditer(shown.text)), len(shown.text)]
    item: Token | None = None
    for token in tokens:
        if token.type == "list_item_open":
            item = token
        if token.type not in LEAVES or token.map is None:
            continue
        first, last = (min(line, len(lines) - 1) for line in token.map)
        # The paragraph of a tight list is not written; its item carries the marks.
        target = item if token.hidden and item is not None else token
        is_plain = token.type == "paragraph_open" and token.level == 0
        yield Block(target, shown.own_offset(lines[first]), shown.own_offset(lines[last]), is_plain)


def _mark_blocks(blocks: list[Block], *, marks: Sequence[Mark], passage: tuple[int, int] | None) -> None:
    waiting = sorted(marks, key=lambda mark: mark.start)
    is_found = False
    for block in blocks:
        begun = [mark for mark in waiting if mark.start < max(block.end, block.start + 1)]
        waiting = waiting[len(begun) :]
        if begun:
            block.token.attrSet("data-first-of", "  ·  ".join(mark.label for mark in begun))
        if passage and block.start < passage[1] and block.end > passage[0]:
            block.token.attrJoin("class", "mg-highlight")
            if not is_found:
                block.token.attrSet("id", "passage")
            is_found = True


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    markdown.add_render_rule("link_open", _outside_link)
    return markdown


def _outside_link(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    tokens[index].attrSet("target", "_blank")
    html: str = renderer.renderToken(tokens, index, options, environment)
    return html
