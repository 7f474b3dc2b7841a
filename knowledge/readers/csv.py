"""Tables as CSV: every row becomes a paragraph of "Column: value" lines, so that a piece of it still makes sense."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import decode
from knowledge.readers.refusal import MAX_TEXT_CHARACTERS, too_long, unreadable

DELIMITERS = ",;\t|"
VALUE = re.compile(r"[-+€$£\d.,:/\s]*\d[-\d.,:/\s]*[%€$£]?")


class CsvReader(Reader):
    label: ClassVar[str] = "CSV table"
    media_types: ClassVar[tuple[str, ...]] = ("text/csv", "application/csv", "text/tab-separated-values")
    extensions: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab")

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        text = decode(body, filename=filename)
        # The module's limit of 128 kB a field is a global; our own limit is the one on the whole text.
        csv.field_size_limit(MAX_TEXT_CHARACTERS)
        lines = csv.reader(io.StringIO(text), delimiter=delimiter_of(text))
        try:
            rows = [row for row in lines if any(map(str.strip, row))]
        except csv.Error as error:
            raise unreadable(filename, f"is no table: line {lines.line_num} cannot be read ({error}).") from error
        if not rows:
            return Extract(text="")
        columns, has_header = columns_of(rows[0])
        paragraphs, length = [], 0
        for paragraph in describe(rows[1:] if has_header else rows, columns=columns):
            length += len(paragraph) + 2
            # Every row repeats the names of the columns, so a table may grow while it is read.
            if length > MAX_TEXT_CHARACTERS:
                raise too_long(filename)
            paragraphs.append(paragraph)
        return Extract(
            text="\n\n".join(paragraphs) or " · ".join(columns),
            metadata={"columns": columns, "rows": len(paragraphs)},
        )


def delimiter_of(text: str) -> str:
    """Choose the delimiter that cuts the first lines most evenly, quoted parts left out."""
    lines = [re.sub(r'"[^"]*"', "", line) for line in text[:20_000].split("\n")[:20] if line.strip()]
    if len(lines) > 1 and len(text) > 20_000:
        lines = lines[:-1]

    def evenness(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count, default=0)
        return (counts.count(usual) if usual else 0, usual)

    return max(DELIMITERS, key=evenness)


def columns_of(first_row: list[str]) -> tuple[list[str], bool]:
    """Name the columns after the first row, unless it holds numbers or gaps and so is a row like the others."""
    cells = [one_line(cell) for cell in first_row]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    is_header = sum(map(bool, cells)) > len(cells) / 2 and not any(map(is_value, cells))
    return [(is_header and cell) or f"Column {number}" for number, cell in enumerate(cells, start=1)], is_header


def is_value(cell: str) -> bool:
    """Say whether a cell is a number, an amount, a date or a time, which no column is called."""
    return len(cell) < 40 and VALUE.fullmatch(cell) is not None


def describe(rows: list[list[str]], *, columns: list[str]) -> Iterator[str]:
    for row in rows:
        names = [*columns, *(f"Column {number}" for number in range(len(columns) + 1, len(row) + 1))]
        yield "\n".join(f"{name}: {one_line(cell)}" for name, cell in zip(names, row, strict=False) if cell.strip())


def one_line(cell: str) -> str:
    return " ".join(cell.split())
