"""Tells the words of a statement from its texts, names and comments, as each kind of server does; for what one calls a
comment is an order to another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

TEXT = r"'(?:[^']|'')*(?:'|\Z)"
NAME = r'"(?P<name>(?:[^"]|"")*)(?:"|\Z)'
BACKTICKS = r"`(?P<name2>(?:[^`]|``)*)(?:`|\Z)"
BRACKETS = r"\[(?P<name3>[^\]]*)(?:\]|\Z)"
BLOCK = r"(?P<block>/\*)"
# A dollar within a name begins no text.
DOLLARS = r"(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)"
BLOCK_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class Tongue:
    """What a kind of server takes for texts, names and comments. `nests`: comments stand in comments."""

    quoted: re.Pattern[str]
    nests: bool = False


@dataclass(frozen=True)
class Part:
    """A piece of a statement: its own words, or a quoted name, or (both empty) a text or a comment."""

    start: int
    end: int
    words: str = ""
    name: str = ""


def tongue(*patterns: str, nests: bool = False) -> Tongue:
    return Tongue(re.compile("|".join(patterns), re.DOTALL), nests)


TONGUES = {
    "postgresql": tongue(r"--[^\n\r]*", BLOCK, TEXT, NAME, DOLLARS, nests=True),
    # Two dashes begin a comment only before a blank.
    "mysql": tongue(r"--(?=[\s\x00-\x1f]|\Z)[^\n]*", r"\#[^\n]*", BLOCK, TEXT, NAME, BACKTICKS),
    "sqlite": tongue(r"--[^\n]*", BLOCK, TEXT, NAME, BACKTICKS, BRACKETS),
}


def parts(statement: str, kind: str) -> Iterator[Part]:
    """The statement from its beginning to its end, in pieces."""
    spoken, place = TONGUES[kind], 0
    while found := spoken.quoted.search(statement, place):
        yield Part(place, found.start(), words=statement[place : found.start()])
        place = _end_of_block(statement, found.end(), nests=spoken.nests) if found["block"] else found.end()
        named = (value for key, value in found.groupdict().items() if key.startswith("name") and value)
        yield Part(found.start(), place, name=next(named, ""))
    yield Part(place, len(statement), words=statement[place:])


def _end_of_block(statement: str, place: int, *, nests: bool) -> int:
    depth = 1
    for edge in BLOCK_EDGE.finditer(statement, place):
        depth += -1 if edge[0] == "*/" else nests
        if depth == 0:
            return edge.end()
    return len(statement)


def words(statement: str, kind: str, *, with_names: bool = False) -> str:
    """The statement's own words; with quoted names as if they were not quoted, where they are wanted."""
    found = parts(statement, kind)
    return "".join(part.words or (with_names and re.sub(r"\W", "_", part.name)) or " " for part in found)


def without_semicolons(statement: str, kind: str) -> str:
    """Without those that end a statement, so that it can stand in brackets."""
    found = parts(statement, kind)
    return "".join(part.words.replace(";", "") if part.words else statement[part.start : part.end] for part in found)
