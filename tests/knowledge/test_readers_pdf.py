"""PDF: tables are kept as tables, and scanned pages are recognised where tesseract is installed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle

from knowledge.readers import isolation, read
from magnet.errors import UnreadableDocument
from tests.knowledge import files

ROWS = [["City", "Code", "Opening hours"], ["Zug", "959", "nine to five"], ["Riga", "", "never on a Sunday"]]
TESSERACT = """#!/bin/sh
if [ "$1" = --list-langs ]; then printf 'List of languages\\ndeu\\neng\\nosd\\n'; exit 0; fi
kind=$(head -c 2)
cat > /dev/null
echo "$kind $* The porter has the keys."
"""


def with_table(*, style: TableStyle | None = None) -> bytes:
    file = io.BytesIO()
    text = getSampleStyleSheet()["BodyText"]
    story = [Paragraph("Before the table. " * 12, text), Table(ROWS, style=style), Paragraph("After it.", text)]
    SimpleDocTemplate(file, pagesize=A4).build(story)
    return file.getvalue()


def scanned(*, pages: int = 1) -> bytes:
    file = io.BytesIO()
    drawing = canvas.Canvas(file)
    for _ in range(pages):
        drawing.drawImage(ImageReader(Image.new("L", (200, 100), 200)), 72, 500)
        drawing.showPage()
    drawing.save()
    return file.getvalue()


@pytest.fixture
def fresh_child():
    isolation.stop()
    yield
    isolation.stop()


@pytest.fixture
def tesseract(tmp_path: Path, monkeypatch, fresh_child):
    program = tmp_path / "tesseract"
    program.write_text(TESSERACT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.parametrize("style", [None, TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)])])
def test_a_table_is_a_table_with_and_without_lines(style):
    before, table, after = read(with_table(style=style), filename="hours.pdf").text.split("\n\n")

    assert (before[:17], after) == ("Before the table.", "After it.")
    assert table.split("\n") == [
        "| City | Code | Opening hours |",
        "| --- | --- | --- |",
        "| Zug | 959 | nine to five |",
        "| Riga |  | never on a Sunday |",
    ]


def test_lists_and_columns_of_a_newspaper_are_no_tables():
    file = io.BytesIO()
    drawing = canvas.Canvas(file, pagesize=A4)
    for number in range(4):
        drawing.drawString(72, 760 - number * 14, f"{number + 1}.")
        drawing.drawString(110, 760 - number * 14, f"Step number {number + 1}")
    for left in (72, 320):
        for number in range(6):
            drawing.drawString(left, 600 - number * 14, "Some words of a column of a newspaper")
    drawing.showPage()
    drawing.save()

    assert "|" not in read(file.getvalue(), filename="news.pdf").text


@pytest.mark.usefixtures("tesseract")
def test_scanned_pages_are_recognised():
    extract = read(scanned(pages=2), filename="scan.pdf")

    page = "P5 stdin stdout -l deu+eng The porter has the keys."
    assert extract.text == f"{page}\n\n{page}"
    assert extract.page_starts == (0, len(page) + 2)


@pytest.mark.usefixtures("fresh_child")
def test_without_tesseract_the_reason_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnreadableDocument, match="or have tesseract installed on the server"):
        read(scanned(), filename="scan.pdf")


@pytest.mark.usefixtures("tesseract")
def test_pages_with_text_and_without_pictures_are_not_recognised():
    assert read(files.pdf([("BodyText", "Only words.")]), filename="words.pdf").text == "Only words."
    with pytest.raises(UnreadableDocument, match="no text was recognised"):
        read(files.scanned_pdf(), filename="black.pdf")
