"""Where a text that is too long may be cut: lines, sentences, words, and in the end anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from magnet.tokens import count_tokens

# A long text without words (a key, a row of dashes) has few tokens; its length is bounded all the same.
CHARACTERS_PER_TOKEN = 32
MAX_CHARACTERS = 16_000

# Lines that end on purpose: before a list item, a table row or an empty line, and after the end of a sentence.
LINES = re.compile(r"\n(?=[ \t]*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]|\||\n))|(?<=[.!?:;|。！？])\n")
# Not after initials and common short forms: "J. Doe", "z. B.", "Dr. Roe", "Nr. 5".
SENTENCES = re.compile(
    r"(?<=[.!?…][\"'”’»)\]])\s+(?=[^\sa-z])"
    r"|(?<=[.!?…])(?<!\b[A-Za-z]\.)(?<!\b[DMNS][rt]\.)(?<!\bMrs\.)(?<!\bvs\.)(?<!\bNo\.)\s+(?=[^\sa-z])"
    r"|(?<=[。！？；])(?![」』”’）])"
)
ANY_LINES = re.compile(r"\n")
LEVELS = (LINES, SENTENCES, ANY_LINES)
WORDS = re.compile(r"(?:\S{1,100}\s+){1,8}|\S{1,100}\s*|\s+")


@dataclass(frozen=True)
class Limits:
    """How large a piece may become."""

    tokens: int
    characters: int

    @classmethod
    def of(cls, tokens: int) -> Limits:
        return cls(tokens, min(MAX_CHARACTERS, tokens * CHARACTERS_PER_TOKEN))


class Part(NamedTuple):
    """`text[start:end]`, which is not cut any further; a tuple, because a long text has a million of them."""

    start: int
    end: int
    tokens: int


def fitting(text: str, start: int, end: int, *, limits: Limits) -> Part | None:
    """Return the part, or None if it exceeds the limits."""
    # Each word has a token at least, and to count words takes a thirtieth of the time.
    if end - start > limits.characters or len(text[start:end].split()) > limits.tokens:
        return None
    before = text[start - 1 : start]
    # A space belongs to the token of the word behind it, the end of a line is (at most) one of its own.
    tokens = count_tokens(text[start - 1 : end] if before == " " else text[start:end]) + (before == "\n")
    return Part(start, end, tokens) if tokens <= limits.tokens else None


def parts_of(
    text: str, start: int, end: int, *, limits: Limits, level: int = 0, is_too_long: bool = False
) -> Iterator[Part]:
    """Cut as coarsely as the limits allow; white space between the parts belongs to none of them.

    Counting is most of the work: where it is known that the whole `is_too_long`, it is not counted again.
    """
    part = None if is_too_long else fitting(text, start, end, limits=limits)
    if part:
        yield part
    elif level < len(LEVELS):
        for place in between(LEVELS[level], text, start, end):
            is_whole = place == (start, end)
            yield from parts_of(text, *place, limits=limits, level=level + 1, is_too_long=is_whole)
    else:
        yield from words(text, start, end, limits=limits)


def between(cuts: re.Pattern[str], text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield what stands between the cuts, without the white space around it."""
    position = start
    for cut in cuts.finditer(text, start, end):
        yield from trimmed(text, position, cut.start())
        position = cut.end()
    yield from trimmed(text, position, end)


def trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if stripped := piece.strip():
        first = start + len(piece) - len(piece.lstrip())
        yield first, first + len(stripped)


def words(text: str, start: int, end: int, *, limits: Limits) -> Iterator[Part]:
    """Cut into handfuls of words, and what no word ends into stretches that fit whatever their script."""
    # No character has more than four tokens.
    stretch = max(1, limits.tokens // 4)
    for match in WORDS.finditer(text, start, end):
        for first, last in trimmed(text, *match.span()):
            if part := fitting(text, first, last, limits=limits):
                yield part
                continue
            for position in range(first, last, stretch):
                yield from stretch_of(text, position, min(position + stretch, last))


def stretch_of(text: str, start: int, end: int) -> Iterator[Part]:
    for first, last in trimmed(text, start, end):
        yield Part(first, last, count_tokens(text[first:last]))


def sentence_starts(text: str, start: int, end: int) -> Iterator[int]:
    """Yield where sentences or lines begin between two places of the text."""
    for cuts in (SENTENCES, ANY_LINES):
        starts = [first for first, _ in between(cuts, text, start, end)][1:]
        if starts:
            yield from starts
            return
