"""Cuts a cited passage into what a sentence can be held against: its sentences, the rows of its tables, its quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Protocol

from magnet.providers.extractive import quotes
from magnet.providers.sentences import TABLE_ROW, TABLE_RULE, Block, from_table, sentences
from tools_app.claims import claims_in
from tools_app.wording import Wording

MOST_WINDOWS = 120
# As rows of CSV files are written: "Price: 3", line below line.
FIELD = re.compile(r"\S[^:\n]{0,80}: \S")
Words = tuple[str, ...]


class Citable(Protocol):
    """A passage under its number, as answers have it."""

    @property
    def number(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def heading(self) -> str: ...


class Row(Wording):
    """A row of a table with the names of its columns. It speaks of one thing, and its neighbours of others."""


@dataclass(frozen=True)
class Premise:
    """A passage and its sentences and rows. `frame` is its title and heading, which go with each of them."""

    text: str
    whole: Wording
    frame: Wording
    singles: tuple[Wording, ...]

    @classmethod
    def of(cls, passage: Citable) -> Premise:
        frame = f"{passage.title} {passage.heading}".strip()
        whole = Wording(f"{frame} {passage.text}")
        return cls(passage.text, whole, Wording(frame), tuple(_windows(passage.text))[:MOST_WINDOWS] or (whole,))

    @cached_property
    def quotes(self) -> frozenset[Words]:
        """The sentences that the built-in answerer could quote of it, as `words_of` has them."""
        told = (claim.text for quote in quotes(self.text) for claim in claims_in(quote))
        return frozenset(filter(None, map(words_of, told)))

    def numbers_of_other_rows(self, row: Row) -> frozenset[str]:
        """What stands in other rows only, and so says nothing of what this one speaks of."""
        others = [single for single in self.singles if isinstance(single, Row) and single is not row]
        plain = [single for single in self.singles if not isinstance(single, Row)]
        here = row.numbers.union(self.frame.numbers, *(single.numbers for single in plain))
        return frozenset[str]().union(*(other.numbers for other in others)) - here


def _windows(text: str) -> Iterator[Wording]:
    """Lines cut into sentences; rows whole, with the names of their columns where those stand above them."""
    for is_filled, lines in groupby(text.splitlines(), key=lambda line: bool(line.strip())):
        if is_filled:
            yield from _of_paragraph(list(lines))


def _of_paragraph(lines: list[str]) -> Iterator[Wording]:
    if len(lines) > 1 and all(map(FIELD.match, lines)):
        yield Row(" ".join(map(str.strip, lines)))
        return
    for is_table, run in groupby(lines, key=_is_of_table):
        if is_table:
            yield from _rows(tuple(run))
            continue
        yield from (Wording(part) for line in run for part in sentences(line.strip(" #>*-|")))


def _is_of_table(line: str) -> bool:
    return TABLE_ROW.match(line) is not None


def _rows(lines: Words) -> Iterator[Row]:
    told = [row.text for row in from_table(Block("table", lines), about="")]
    bare = (line.strip(" |") for line in lines if not TABLE_RULE.match(line))
    yield from map(Row, told or bare)


# -- Word for word ------------------------------------------------------------------------------------------------


def words_of(text: str) -> Words:
    """What has to be the same in a quotation: all but white space, full stops, and dots for what was left out."""
    return tuple(filter(None, (word.rstrip(".…") for word in text.split())))


def is_quoted(text: str, premises: Iterable[Premise]) -> bool:
    """Whether it is made of nothing but whole sentences of the passages, word for word: rows often lack a full stop,
    and so several stand in what looks like one sentence.
    """
    words = words_of(text)
    by_first: dict[str, list[Words]] = {}
    for quote in frozenset[Words]().union(*(premise.quotes for premise in premises)):
        by_first.setdefault(quote[0], []).append(quote)
    reached = {0}
    for place in range(len(words)):
        if place in reached:
            fitting = (quote for quote in by_first.get(words[place], ()) if words[place : place + len(quote)] == quote)
            reached.update(place + len(quote) for quote in fitting)
    return bool(words) and len(words) in reached
