"""The structure of a Markdown text: sections under heading paths, and in them paragraphs, tables and fenced code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*?)[ \t]*#*")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
LINK = re.compile(r"\[([^\]\n]*)\]\([^()\n]*\)")
# A longer line is no heading, whatever it begins with.
MAX_HEADING_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Block:
    """`text[start:end]`: a paragraph, table or piece of code, with the headings right above it."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """The blocks between one heading and the next; `heading` is the path to them, such as "Sources > Website"."""

    heading: str
    blocks: list[Block]


def sections_of(text: str) -> Iterator[Section]:
    """Yield the sections that have text. A heading opens the block that follows it, even past further headings."""
    path: list[tuple[int, str]] = []
    section = Section("", [])
    headings_start = -1
    for start, end, heading in parts_of(text):
        if heading is None:
            indent = end - start - len(text[start:end].lstrip())
            section.blocks.append(Block(start + indent if headings_start < 0 else headings_start, end))
            headings_start = -1
            continue
        if section.blocks:
            yield section
        level, title = heading
        path = [*((upper, name) for upper, name in path if upper < level), (level, title)]
        section = Section(" > ".join(name for _, name in path), [])
        headings_start = start if headings_start < 0 else headings_start
    if headings_start >= 0:
        section.blocks.append(Block(headings_start, len(text.rstrip())))
    if section.blocks:
        yield section


def parts_of(text: str) -> Iterator[tuple[int, int, tuple[int, str] | None]]:
    """Yield (start, end, heading) of every block and heading line; heading is (level, title), or None for a block."""
    block_start, block_end, fence = -1, 0, ""
    for start, end in lines_of(text):
        if fence:
            if closes(text[start:end], fence):
                yield block_start, end, None
                block_start, fence = -1, ""
            continue
        heading = heading_of(text, start, end)
        opening = FENCE.match(text, start, end)
        if (start == end or heading or opening) and block_start >= 0:
            yield block_start, block_end, None
            block_start = -1
        if heading:
            yield start + text[start:end].index("#"), end, heading
        elif start < end:
            block_start = start if block_start < 0 else block_start
            fence = opening[1] if opening else ""
        block_end = end
    if block_start >= 0:
        yield block_start, len(text.rstrip()), None


def lines_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of every line, without the white space at its end; an empty line ends where it starts."""
    start, length = 0, len(text)
    while start <= length:
        newline = text.find("\n", start)
        newline = length if newline < 0 else newline
        yield start, start + len(text[start:newline].rstrip())
        start = newline + 1


def heading_of(text: str, start: int, end: int) -> tuple[int, str] | None:
    if "#" not in text[start : start + 4] or end - start > MAX_HEADING_CHARACTERS:
        return None
    match = HEADING.fullmatch(text, start, end)
    return (len(match[1]), LINK.sub(r"\1", match[2]).replace("**", "").replace("`", "")) if match else None


def closes(line: str, fence: str) -> bool:
    """Say whether a line ends the code that `fence` opened: the same sign, at least as often, and nothing else."""
    sign = line.strip()
    return len(sign) >= len(fence) and not sign.strip(fence[0]) and len(line) - len(line.lstrip()) < 4
