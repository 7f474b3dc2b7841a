"""What the built-in answerer quotes is borne out by the passage it stands in, out of tables above all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from knowledge.chunkers import CHUNKERS
from knowledge.readers.csv import CsvReader
from knowledge.readers.xlsx import XlsxReader
from magnet.providers import extractive
from magnet.providers.base import Evidence
from tests.benchmarks.support import Source
from tests.knowledge.office_files import xlsx
from tools_app import support

PRICES = [
    ["Article", "Name", "Price EUR", "Watt", "Country"],
    ["LG-100", "Lumo Desk", "49.50", "6", "DE"],
    ["LG-200", "Lumo Go", "59.50", "4", "LV"],
    ["LG-300", "Lumo Wall", "89.00", "12", "LV"],
]
PARTS = [
    ["Part", "Fits", "Price EUR", "Delivery days"],
    ["SP-01", "Lumo Desk", "4.90", "3"],
    ["SP-02", "Lumo Go", "7.20", "5"],
    ["SP-03", "Lumo Wall", "11.00", "14"],
]
Read = Callable[[list[list[str]]], str]


def as_csv(rows: list[list[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return CsvReader().read(written.getvalue().encode(), filename="prices.csv").text


def as_xlsx(rows: list[list[str]]) -> str:
    def write(workbook: Any) -> None:
        for row in rows:
            workbook.active.append(row)

    return XlsxReader().read(xlsx(write), filename="spare-parts.xlsx").text


def stock(rows: int, columns: int) -> list[list[str]]:
    """Shelves of goods; some cells are empty, some hold sentences, bars, small beginnings or a no."""
    names = ["Code", "Goods", "Price EUR", "Remark", "Sold out", "Kept until", "Weight kg", "Shelf"][:columns]
    cells = [
        [
            f"ST-{row}",
            f"Lamp {'ABCDEFGH'[row % 8]}",
            f"{row * 7 + 0.5:.2f}",
            ["", "Never outdoors. Dimmable, e.g. by Riga 2.", "black | white", "closes by itself"][row % 4],
            "no" if row % 2 else "yes",
            f"2026-0{row % 9 + 1}-15",
            str(row),
            "upper, not lower",
        ][:columns]
        for row in range(1, rows + 1)
    ]
    return [names, *cells]


def cut(text: str, *, chunker: str, title: str = "Stock", **config: int) -> list[Source]:
    kind = CHUNKERS[chunker]
    pieces = kind(kind.Config(**config)).split(text)
    return [Source(n, text[p.start : p.end], title, p.heading) for n, p in enumerate(pieces, start=1)]


def doubted(question: str, passages: list[Source]) -> list[str]:
    """The sentences of the built-in answer that are not called supported, and why."""
    evidence = [Evidence(number=each.number, text=each.text) for each in passages]
    said = extractive.answer(question, evidence=evidence)
    found = support.check(said, passages)
    assert found, said
    return [f"{said[each.start : each.end]}: {each.reason}" for each in found if each.supported is not True]


@pytest.mark.parametrize("row", PRICES[1:], ids=lambda row: row[0])
def test_every_row_of_a_csv_file_can_be_quoted(row: list[str]) -> None:
    (passage,) = cut(as_csv(PRICES), chunker="whole", title="prices.csv")

    assert doubted(f"What does article {row[0]} cost?", [passage]) == []


@pytest.mark.parametrize("row", PARTS[1:], ids=lambda row: row[0])
def test_every_row_of_a_workbook_can_be_quoted(row: list[str]) -> None:
    (passage,) = cut(as_xlsx(PARTS), chunker="whole", title="spare-parts.xlsx")

    assert doubted(f"How long is the delivery of {row[0]}?", [passage]) == []


@pytest.mark.parametrize("reader", [as_csv, as_xlsx])
@pytest.mark.parametrize("max_tokens", [64, 512])
@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 8), (7, 3), (30, 5), (60, 8)])
def test_no_quote_out_of_a_table_is_doubted_however_it_was_cut(
    reader: Read, max_tokens: int, rows: int, columns: int
) -> None:
    passages = cut(reader(stock(rows, columns)), chunker="markdown", max_tokens=max_tokens)

    for row in range(1, rows + 1, max(1, rows // 6)):
        near = [each for each in passages if f"ST-{row}" in each.text][:2] + passages[:2]
        assert doubted(f"What is the price of ST-{row}?", list(dict.fromkeys(near))) == []


def test_rows_without_their_header_can_be_quoted_as_they_stand() -> None:
    rows = "\n".join(f"| LG-{row}00 | Lumo {row} | {row}9.50 | LV |" for row in range(3, 12))

    assert doubted("What does LG-400 cost?", [Source(1, rows, "prices.csv")]) == []


@pytest.mark.parametrize("reader", [as_csv, as_xlsx])
@pytest.mark.parametrize(
    "claim",
    [
        "Article: LG-200; Name: Lumo Go; Price EUR: 61.50; Watt: 4; Country: LV [1].",
        "Article: LG-200; Name: Lumo Tall; Price EUR: 59.50; Watt: 4; Country: LV [1].",
        "LG-200 costs 61.50 EUR [1].",
        "The Lumo Go LG-200 has a price of 49.50 EUR [1].",
        "The Lumo Go LG-200 has a price of 89 EUR [1].",
    ],
)
def test_a_number_or_name_that_is_invented_or_of_another_row_is_still_marked(reader: Read, claim: str) -> None:
    (found,) = support.check(claim, cut(reader(PRICES), chunker="whole", title="prices.csv"))

    assert found.supported is False


@pytest.mark.parametrize("reader", [as_csv, as_xlsx])
def test_what_a_row_says_may_be_told_in_other_words(reader: Read) -> None:
    said = "The Lumo Go LG-200 has a price of 59.50 EUR [1]."

    (found,) = support.check(said, cut(reader(PRICES), chunker="whole", title="prices.csv"))

    assert found.supported is True
