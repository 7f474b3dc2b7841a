"""Workbooks, slides, OpenDocument and e-books: tables, headings, pages and notes kept, bad files refused plainly."""

import io
import zipfile
from datetime import datetime

import pytest
from pptx.util import Inches

from knowledge.readers import read
from magnet.errors import UnreadableDocument
from tests.knowledge import files, office_files


def refusal(body: bytes, filename: str) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        read(body, filename=filename)
    return caught.value.detail


def write_prices(workbook):
    sheet = workbook.active
    sheet.title = "Prices"
    for row in (["Our prices"], [], [None, "Article", "Price", "Since", "Share", "Sold"]):
        sheet.append(row)
    sheet.append([None, "Desk | oak", 249.5, datetime(2026, 3, 1), 0.125, True])
    sheet.append([None, "Chair", 80.0, datetime(2026, 3, 2, 9, 30), 1, False])
    sheet["E4"].number_format = "0.0%"
    hidden = workbook.create_sheet("Secret")
    hidden.append(["a", "b"])
    hidden.sheet_state = "hidden"
    workbook.create_sheet("Empty")
    workbook.properties.title = "Price list"


def test_a_workbook_is_its_visible_sheets_as_tables():
    extract = read(office_files.xlsx(write_prices), filename="prices.xlsx")

    assert (extract.title, extract.metadata["sheets"]) == ("Price list", ["Prices"])
    assert extract.text.split("\n\n") == [
        "## Prices",
        "Our prices",
        "| Article | Price | Since | Share | Sold |\n| --- | --- | --- | --- | --- |\n"
        "| Desk \\| oak | 249.5 | 2026-03-01 | 12.5 % | TRUE |\n| Chair | 80 | 2026-03-02 09:30 | 1 | FALSE |",
    ]


def test_every_block_of_a_large_sheet_names_the_columns():
    def write(workbook):
        workbook.active.append(["Number", "City"])
        for number in range(1_000):
            workbook.active.append([number, f"City of the name {number}"])

    blocks = read(office_files.xlsx(write), filename="cities.xlsx").text.split("\n\n")[1:]

    assert len(blocks) > 20
    assert all(block.startswith("| Number | City |\n| --- | --- |\n| ") for block in blocks)
    assert sum(block.count("City of the name") for block in blocks) == 1_000


def test_a_formula_is_read_as_its_last_value():
    def write(workbook):
        workbook.active.append(["Sum", "Note"])
        workbook.active.append(["=1+1", "computed"])

    part = "xl/worksheets/sheet1.xml"
    body = office_files.xlsx(write)
    sheet = part_of(body, part).replace(b"<v />", b"<v>2</v>").replace(b"<v></v>", b"<v>2</v>")

    assert "| 2 | computed |" in read(files.with_part(body, part, sheet), filename="sum.xlsx").text


def part_of(package: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return archive.read(name)


def write_slides(presentation):
    first = presentation.slides.add_slide(presentation.slide_layouts[1])
    first.shapes.title.text = "Opening hours"
    first.placeholders[1].text = "Riga: nine to five\nZug: ten to six"
    first.notes_slide.notes_text_frame.text = "Mention the holidays."
    second = presentation.slides.add_slide(presentation.slide_layouts[5])
    second.shapes.title.text = "Prices"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for place, text in enumerate(("Article", "Price", "Desk", "249")):
        table.cell(place // 2, place % 2).text = text
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "Inside a group"


def test_slides_are_pages_with_tables_and_notes():
    extract = read(office_files.pptx(write_slides), filename="hours.pptx")

    first, second = (extract.text[: extract.page_starts[1]].strip(), extract.text[extract.page_starts[1] :])
    assert first == "## Opening hours\n\n- Riga: nine to five\n- Zug: ten to six\n\nNotes: Mention the holidays."
    assert second == "## Prices\n\n| Article | Price |\n| --- | --- |\n| Desk | 249 |\n\nInside a group"
    assert (extract.title, extract.metadata) == ("Opening hours", {"pages": 2})


def test_an_open_document_keeps_headings_lists_and_tables():
    cell = "<table:table-cell><text:p>%s</text:p></table:table-cell>"
    body = office_files.odt(
        "<office:text><text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        '<text:h text:outline-level="2">Sick leave</text:h>'
        "<text:p>Call<text:s/>before <text:span>nine</text:span>.</text:p>"
        "<text:list><text:list-item><text:p>One</text:p><text:list><text:list-item><text:p>Deeper</text:p>"
        "</text:list-item>"
        "</text:list></text:list-item></text:list>"
        f"<table:table><table:table-row>{cell % 'City'}{cell % 'Code'}</table:table-row>"
        f"<table:table-row>{cell % 'Zug'}{cell % '959'}</table:table-row></table:table></office:text>"
    )

    assert read(body, filename="leave.odt").text.split("\n\n") == [
        "## Sick leave",
        "Call before nine.",
        "- One\n  - Deeper",
        "| City | Code |\n| --- | --- |\n| Zug | 959 |",
    ]


def test_an_open_presentation_has_pages_and_a_spreadsheet_has_sheets():
    slides = "".join(f"<draw:page><draw:frame><text:p>Slide {n}</text:p></draw:frame></draw:page>" for n in (1, 2))
    presentation = read(office_files.odt(f"<office:presentation>{slides}</office:presentation>"), filename="a.odp")
    cell = "<table:table-cell><text:p>%s</text:p></table:table-cell>"
    empty = "<table:table-cell table:number-columns-repeated='16000'/>"
    row = f"<table:table-row>{cell % 'a'}{cell % 'b'}{empty}</table:table-row>"
    sheet = f"<office:spreadsheet><table:table table:name='Sheet'>{row}{row}</table:table></office:spreadsheet>"

    assert (presentation.text, presentation.page_starts) == ("Slide 1\n\nSlide 2", (0, 9))
    assert read(office_files.odt(sheet), filename="a.ods").text == "## Sheet\n\n| a | b |\n| --- | --- |\n| a | b |"


def test_an_e_book_is_read_in_the_order_of_its_spine():
    chapters = {
        "two": "<h1>The storm</h1><p>It came at night.</p>",
        "one": "<h1>The island</h1><p>Nobody lived there.</p>",
    }

    extract = read(office_files.epub(chapters, spine=["one", "missing", "two"]), filename="book.epub")

    assert (extract.title, extract.metadata) == ("The lighthouse", {"author": "Ada Roe"})
    assert extract.text.split("\n\n") == ["# The island", "Nobody lived there.", "# The storm", "It came at night."]


LOCK = '<encryption><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></encryption>'
LOCKED = '<manifest><file-entry><encryption-data checksum="x"/></file-entry></manifest>'
BOMB = b"<a>" + b" " * 60_000_000 + b"</a>"


@pytest.mark.parametrize(
    ("make", "filename", "hint"),
    [
        (lambda: office_files.epub({"a": "x"}, spine=["a"], **{"META-INF__encryption.xml": LOCK}), "a.epub", "(DRM)"),
        (lambda: office_files.odt("<x/>", **{"META-INF__manifest.xml": LOCKED}), "a.odt", "protected by a password"),
        (lambda: office_files.package({"xl/workbook.xml": BOMB}), "a.xlsx", "a “zip bomb”"),
        (lambda: office_files.package({"ppt/presentation.xml": BOMB}), "a.pptx", "a “zip bomb”"),
        (lambda: office_files.package({"content.xml": BOMB}), "a.odt", "a “zip bomb”"),
        (lambda: office_files.package({"META-INF/container.xml": BOMB}), "a.epub", "a “zip bomb”"),
        (
            lambda: office_files.package({"xl/workbook.xml": b"<x>"}),
            "a.xlsx",
            "damaged or not complete. Open it in Excel",
        ),
        (lambda: office_files.package({"ppt/presentation.xml": b"<x>"}), "a.pptx", "damaged or not complete"),
        (lambda: office_files.package({"content.xml": b"<x>"}), "a.odt", "damaged or not complete"),
        (lambda: office_files.package({"META-INF/container.xml": b"<x/>"}), "a.epub", "damaged or not complete"),
        (lambda: office_files.odt("<x/>"), "a.odt", "contains no text"),
        (lambda: b"just words", "a.xlsx", "claims to be an Excel workbook file but is none"),
        (lambda: office_files.package({"content.xml": "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>"}), "a.odt", "XML entities"),
    ],
)
def test_a_bad_package_is_refused_with_a_sentence(make, filename, hint):
    assert hint in refusal(make(), filename)


def test_a_lying_extension_does_no_harm():
    assert "## Prices" in read(office_files.xlsx(write_prices), filename="prices.pdf").text
    assert "## Prices" in read(office_files.pptx(write_slides), filename="hours.docx").text
