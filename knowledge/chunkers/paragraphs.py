"""The default way to cut: whole paragraphs up to a number of tokens, smaller parts only where one is too long."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import ClassVar
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, model_validator

from knowledge.chunkers.base import Chunker, Piece
from knowledge.chunkers.blocks import Block, sections_of
from knowledge.chunkers.parts import Limits, Part, fitting, parts_of, sentence_starts
from magnet.tokens import count_tokens


class ParagraphConfig(BaseModel):
    """How long a chunk may be."""

    model_config = ConfigDict(extra="forbid", title="Paragraphs")

    max_tokens: int = Field(
        256,
        ge=32,
        le=2048,
        title="Longest chunk (tokens)",
        description="A token is about three quarters of a word. 256 did best in our tests.",
    )
    overlap_tokens: int = Field(
        0,
        ge=0,
        le=512,
        title="Overlap (tokens)",
        description="How much of a chunk's end is repeated at the beginning of the next. 0 did best in our tests.",
    )

    @model_validator(mode="after")
    def overlap_is_the_smaller_part(self) -> ParagraphConfig:
        if self.overlap_tokens * 2 > self.max_tokens:
            raise ValueError("The overlap may be at most half of the longest chunk. Make it smaller.")
        return self


class ParagraphChunker(Chunker):
    label: ClassVar[str] = "Paragraphs"
    description: ClassVar[str] = (
        "Keeps paragraphs, tables and code whole, never mixes two sections, and puts short paragraphs together."
    )
    Config: ClassVar[type[BaseModel]] = ParagraphConfig

    def split(self, text: str) -> list[Piece]:
        """Cut `text` so that a small change of it changes few pieces."""
        config: ParagraphConfig = self.config
        limits = Limits.of(config.max_tokens - config.overlap_tokens)
        pieces: list[Piece] = []
        for section in sections_of(text):
            earliest = section.blocks[0].start
            for parts in packed(text, blocks=section.blocks, limits=limits):
                overlap = overlap_before(text, parts[0].start, earliest=earliest, max_tokens=config.overlap_tokens)
                earliest = parts[0].start
                tokens = sum(part.tokens for part in parts)
                if overlap < parts[0].start:
                    tokens += count_tokens(text[overlap : parts[0].start])
                pieces.append(Piece(overlap, parts[-1].end, section.heading, tokens))
        return pieces


def packed(text: str, *, blocks: list[Block], limits: Limits) -> Iterator[list[Part]]:
    """Yield the parts of each piece: small blocks are put together, and a large one is cut on its own."""
    small: list[Part] = []
    for block in blocks:
        if part := fitting(text, block.start, block.end, limits=limits):
            small.append(part)
            continue
        yield from groups(text, small, limits=limits)
        small = []
        parts = parts_of(text, block.start, block.end, limits=limits, is_too_long=True)
        yield from groups(text, list(parts), limits=limits)
    yield from groups(text, small, limits=limits)


def groups(text: str, parts: list[Part], *, limits: Limits) -> Iterator[list[Part]]:
    """Yield runs of parts within the limits."""
    tokens_until = [0, *accumulate(part.tokens for part in parts)]
    ends = [part.end for part in parts]
    first = 0
    while first < len(parts):
        by_tokens = bisect_right(tokens_until, tokens_until[first] + limits.tokens) - 1
        by_characters = bisect_right(ends, parts[first].start + limits.characters)
        stop = max(first + 1, min(by_tokens, by_characters))
        if stop < len(parts):
            stop = anchored(text, parts, first=first, stop=stop, tokens_until=tokens_until, limits=limits)
        yield parts[first:stop]
        first = stop


def anchored(text: str, parts: list[Part], *, first: int, stop: int, tokens_until: list[int], limits: Limits) -> int:
    """Choose where in the second half of a piece to end it: before the part whose hash is the smallest.

    Filling every piece to the brim would move all later cuts of a section when a word is added at its top. Cuts that
    depend on the words around them fall back to where they were, so the vectors of later pieces are reused.
    """
    half = tokens_until[first] + limits.tokens // 2
    # The last piece should not be a crumb either.
    crumb = tokens_until[-1] - limits.tokens // 4
    places = [place for place in range(stop, first, -1) if half <= tokens_until[place] <= crumb]
    # "The files are:" belongs to the list below it.
    places = [place for place in places if text[parts[place - 1].end - 1] not in ":："] or places
    return min(places, key=lambda place: hash_of(text, parts[place]), default=stop)


def hash_of(text: str, part: Part) -> int:
    # Not Python's hash, which is another one in every process.
    return crc32(text[part.start : part.end].encode("utf-8", errors="replace"))


def overlap_before(text: str, start: int, *, earliest: int, max_tokens: int) -> int:
    """Return where the last whole sentences before `start` begin that have at most `max_tokens` tokens together."""
    if not max_tokens or start <= earliest:
        return start
    window = max(earliest, start - max_tokens * 8)
    for sentence in sentence_starts(text, window, start):
        if count_tokens(text[sentence:start]) <= max_tokens:
            return sentence
    return start
