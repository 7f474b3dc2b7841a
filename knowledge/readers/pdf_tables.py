"""Tables in a PDF, which has none: lines of several pieces far apart, whose pieces stand below one another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from knowledge.readers.html_markdown import markdown_table

# White space this many times the height of the letters parts two cells; between words it is a third of it.
CELL_GAP = 0.9
FEWEST_ROWS = 2
# "1.", "b)" and "•" begin an item of a list, whatever the distance to its text.
LIST_MARK = re.compile(r"(?:\d{1,3}|[a-zA-Z])[.)]|[^\w\s]{1,2}")
# Longer pieces are the columns of a newspaper.
MAX_CELL_CHARACTERS = 120


@dataclass(frozen=True)
class Cell:
    """A piece of a line, in points from the left."""

    left: float
    right: float
    text: str


def merged(boxes: Sequence[tuple[float, float]], *, height: float) -> list[tuple[float, float]]:
    """Put boxes (left, right) of one line together that are no further apart than words are."""
    found: list[tuple[float, float]] = []
    for left, right in sorted(boxes):
        if found and left - found[-1][1] <= CELL_GAP * height:
            found[-1] = (found[-1][0], max(right, found[-1][1]))
        else:
            found.append((left, right))
    return found


def is_row(cells: Sequence[Cell]) -> bool:
    return (
        len(cells) > 1
        and LIST_MARK.fullmatch(cells[0].text.strip()) is None
        and max(len(cell.text) for cell in cells) <= MAX_CELL_CHARACTERS
    )


def is_table(rows: Sequence[Sequence[Cell]]) -> bool:
    """Say whether rows that follow one another are a table: enough of them, and most cells have one above or below."""
    if len(rows) < FEWEST_ROWS:
        return False
    columns = columns_of(rows)
    return len(columns) > 1 and all(len({place(cell, columns) for cell in row}) == len(row) for row in rows)


def columns_of(rows: Sequence[Sequence[Cell]]) -> list[tuple[float, float]]:
    """The columns as (left, right): cells that overlap when they are looked at from above stand in one."""
    columns: list[tuple[float, float]] = []
    for left, right in sorted((cell.left, cell.right) for row in rows for cell in row):
        if columns and left < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(right, columns[-1][1]))
        else:
            columns.append((left, right))
    return columns


def place(cell: Cell, columns: Sequence[tuple[float, float]]) -> int:
    return next(number for number, (left, right) in enumerate(columns) if left <= cell.left <= right)


def as_markdown(rows: Sequence[Sequence[Cell]]) -> str:
    columns = columns_of(rows)
    texts = []
    for row in rows:
        by_column = {place(cell, columns): " ".join(cell.text.split()) for cell in row}
        texts.append([by_column.get(number, "") for number in range(len(columns))])
    return markdown_table(texts)


def runs(are_rows: Sequence[bool]) -> Iterator[tuple[bool, int, int]]:
    """Yield (whether they are rows of tables, first, behind the last) for lines that follow one another."""
    edges = [0]
    for _, group in groupby(are_rows):
        edges.append(edges[-1] + len(list(group)))
    for first, last in pairwise(edges):
        yield are_rows[first], first, last
