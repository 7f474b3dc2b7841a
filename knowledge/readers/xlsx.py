"""Excel: every visible sheet as Markdown tables with the header row above each block, values as people see them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain
from typing import Any, ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import clean
from knowledge.readers.packages import BROKEN, damaged, refuse_bombs
from knowledge.readers.refusal import MAX_TEXT_CHARACTERS, too_long
from knowledge.readers.tables import blocks_of

# Below these a sheet is laid out for the eye, with one word here and there.
MOST_COLUMNS = 200
# A sheet of nothing but formats may say that it has a million rows.
MOST_EMPTY_ROWS = 5_000


class XlsxReader(Reader):
    label: ClassVar[str] = "Excel workbook"
    media_types: ClassVar[tuple[str, ...]] = (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel.sheet.macroenabled.12",
    )
    extensions: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm")
    is_text: ClassVar[bool] = False
    is_isolated: ClassVar[bool] = True

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        refuse_bombs(body, filename=filename, program="Excel")
        try:
            parts, title, sheets = parts_of(body, filename=filename)
        # openpyxl meets a broken workbook with whatever the first missing piece raises.
        except BROKEN as error:
            raise damaged(filename, program="Excel") from error
        return Extract(text=clean("\n\n".join(parts), filename=filename), title=title, metadata={"sheets": sheets})


def parts_of(body: bytes, *, filename: str) -> tuple[list[str], str, list[str]]:
    """The text in parts, the title, and the names of the sheets that were read."""
    from openpyxl import load_workbook

    # Read-only: row by row, never the whole sheet. data_only: what Excel computed last, not the formula.
    workbook = load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
    parts, names, length = [], [], 0
    for sheet in workbook.worksheets:
        if sheet.sheet_state != "visible":
            continue
        written = list(within_limit(sheet_as_markdown(rows_of(sheet)), length=length, filename=filename))
        if written:
            names.append(sheet.title)
            parts += [f"## {' '.join(sheet.title.split())}", *written]
            length += sum(map(len, written))
    return parts, clean(workbook.properties.title or "").strip(), names


def within_limit(parts: Iterator[str], *, length: int, filename: str) -> Iterator[str]:
    for part in parts:
        length += len(part)
        if length > MAX_TEXT_CHARACTERS:
            raise too_long(filename)
        yield part


def rows_of(sheet: Any) -> Iterator[list[str]]:
    """The rows that say something, without the empty cells at their end."""
    # What a workbook says of its own size may be wrong.
    sheet.reset_dimensions()
    empty = 0
    for row in sheet.iter_rows(max_col=MOST_COLUMNS):
        cells = [shown(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        empty = 0 if cells else empty + 1
        if empty > MOST_EMPTY_ROWS:
            return
        if cells:
            yield cells


def sheet_as_markdown(rows: Iterator[list[str]]) -> Iterator[str]:
    """Lines above the table as paragraphs, then the table; what has one column only is no table."""
    first: list[list[str]] = []
    for row in rows:
        if sum(map(bool, row)) > 1:
            yield from blocks_of(without_empty_columns(chain([row], rows)))
            return
        first.append(row)
        yield " ".join(filter(None, row))


def without_empty_columns(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Drop what is empty to the left of the header: a table need not begin in column A."""
    header = next(rows)
    skipped = next(place for place, cell in enumerate(header) if cell)
    for row in chain([header], rows):
        yield [" ".join(filter(None, row[: skipped + 1])), *row[skipped + 1 :]]


def shown(cell: Any) -> str:
    """A cell's value as it stands on the screen, nearly: dates without midnight, per cent, whole numbers whole."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float | int):
        return number(value, number_format=cell.number_format or "")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date | time | timedelta):
        return str(value)
    return " ".join(str(value).split())


def number(value: float, *, number_format: str) -> str:
    if "%" in number_format:
        return f"{value * 100:.10g} %"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.15g}"
