"""LlamaIndex's node parsers at work on our texts: their nodes as pieces, each an exact substring under its heading."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from knowledge.chunkers.base import Piece
from knowledge.chunkers.blocks import sections_of
from knowledge.chunkers.paragraphs import groups
from knowledge.chunkers.parts import Limits, parts_of
from magnet.tokens import count_tokens

if TYPE_CHECKING:
    from llama_index.core.node_parser import NodeParser


def spans(parser: NodeParser, text: str) -> Iterator[tuple[int, int]]:
    """Where the parser's nodes stand in `text`, without the white space around them."""
    from llama_index.core.schema import Document

    last = (-1, 0)
    for node in parser.get_nodes_from_documents([Document(text=text)]):
        content = node.get_content().strip()
        if content and (start := place_of(content, text, after=last)) >= 0:
            last = (start, start + len(content))
            yield last


def place_of(content: str, text: str, *, after: tuple[int, int]) -> int:
    """Where a node stands behind, or overlapping, the one before it; -1 for one that is no part of the text.

    Looked for: the parsers name the first place that looks the same, which in "ha ha ha" is the wrong one.
    """
    earliest, end = after
    behind = end + len(text[end:]) - len(text[end:].lstrip())
    if text.startswith(content, behind):
        return behind
    overlapping = text.rfind(content, earliest + 1, behind + len(content))
    return overlapping if overlapping >= 0 else text.find(content, behind)


def pieces_of(text: str, places: Iterator[tuple[int, int]], *, max_tokens: int) -> Iterator[Piece]:
    """The places as pieces; one that is longer than the limit is cut at its lines and sentences."""
    headings = Headings(text)
    limits = Limits.of(max_tokens)
    for start, end in places:
        parts = list(parts_of(text, start, end, limits=limits))
        for group in groups(text, parts, limits=limits):
            first, last = group[0].start, group[-1].end
            yield Piece(first, last, headings.at(first), count_tokens(text[first:last]))


class Headings:
    """The path of headings above each place of a text."""

    def __init__(self, text: str) -> None:
        sections = list(sections_of(text))
        self.starts = [section.blocks[0].start for section in sections]
        self.paths = [section.heading for section in sections]

    def at(self, place: int) -> str:
        number = bisect_right(self.starts, place) - 1
        return self.paths[number] if number >= 0 else ""
