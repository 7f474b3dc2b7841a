"""PDF: text page by page, with headings told by their size, paragraphs put together and page numbers kept."""

from __future__ import annotations

import re
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import clean
from knowledge.readers.markdown import first_heading
from knowledge.readers.ocr import Recognition
from knowledge.readers.pdf_layout import Line, join_pages, pages_as_markdown
from knowledge.readers.pdf_tables import Cell, merged
from knowledge.readers.refusal import MAX_TEXT_CHARACTERS, too_long, unreadable

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage, PdfTextPage
    from pypdfium2.raw import FS_RECTF

# pdfium is not safe to be called from two threads.
PDFIUM = Lock()
MAX_PAGES = 10_000
MEASURED_LETTERS = 5
# pdfium joins a word that was hyphenated at the end of a line by this mark, which cleaning drops; before a capital
# or a digit the hyphen was the author's: "E-Mail".
HYPHEN_AT_LINE_END = re.compile(r"\ufffe(?=[^\Wa-zà-öø-ÿ])")
# What programs write into the title when the author wrote none.
EMPTY_TITLES = re.compile(
    r"untitled|unspecified|(microsoft )?(word|powerpoint|excel)\b.*|.*\.(docx?|pptx?|xlsx?|pdf|indd|tex)", re.I
)


class PdfReader(Reader):
    label: ClassVar[str] = "PDF"
    media_types: ClassVar[tuple[str, ...]] = ("application/pdf", "application/x-pdf")
    extensions: ClassVar[tuple[str, ...]] = (".pdf",)
    is_text: ClassVar[bool] = False
    is_isolated: ClassVar[bool] = True

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        with PDFIUM:
            document = opened(body, filename=filename)
            try:
                pages = pages_of(document, filename=filename)
                recognition = Recognition()
                recognised = recognised_pages(document, pages, recognition=recognition)
                title = clean(document.get_metadata_dict().get("Title", "")).strip()
            finally:
                document.close()
        texts = [clean(text) or seen for text, seen in zip(pages_as_markdown(pages), recognised, strict=True)]
        if not any(text.strip() for text in texts):
            raise unreadable(filename, sentence_for_pictures(recognition))
        text, page_starts = join_pages(texts)
        return Extract(
            text=text,
            title=first_heading(text) if not title or EMPTY_TITLES.fullmatch(title) else title,
            page_starts=page_starts,
            metadata={"pages": len(texts)},
        )


def recognised_pages(document: PdfDocument, pages: list[list[Line]], *, recognition: Recognition) -> list[str]:
    """What can be recognised on the pages without text; "" for the others."""
    return ["" if lines else recognition.text_of(document[number]) for number, lines in enumerate(pages)]


def sentence_for_pictures(recognition: Recognition) -> str:
    if not recognition.program:
        return (
            "contains only pictures (it was scanned), so there is no text to read. Run text recognition (OCR) over it "
            "and upload the result, or have tesseract installed on the server, which then does so."
        )
    if recognition.is_over:
        return "contains only pictures, more than can be recognised in the time for one file. Split it."
    return "contains only pictures in which no text was recognised. Scan it with more contrast or a higher resolution."


def opened(body: bytes, *, filename: str) -> PdfDocument:
    from pypdfium2 import PdfDocument, PdfiumError
    from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY

    try:
        return PdfDocument(body)
    except PdfiumError as error:
        if error.err_code in {FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY}:
            sentence = "is protected by a password. Save it without the password and upload it again."
        else:
            sentence = "is damaged or not complete. Open it, save it as a PDF again and upload the result."
        raise unreadable(filename, sentence) from error


def pages_of(document: PdfDocument, *, filename: str) -> list[list[Line]]:
    from pypdfium2 import PdfiumError

    if len(document) > MAX_PAGES:
        raise unreadable(filename, f"has more than {MAX_PAGES:,} pages. Split it into smaller files.")
    pages, length = [], 0
    for number in range(len(document)):
        try:
            page = document[number]
            lines = lines_of(page)
            page.close()
        except PdfiumError as error:
            raise unreadable(
                filename, f"is damaged: page {number + 1} cannot be read. Save it as a PDF again and upload the result."
            ) from error
        length += sum(len(line.text) for line in lines)
        if length > MAX_TEXT_CHARACTERS:
            raise too_long(filename)
        pages.append(lines)
    return pages


def lines_of(page: PdfPage) -> list[Line]:
    """Return the lines of a page in reading order."""
    text_page = page.get_textpage()
    lines, offset = [], 0
    for text in text_page.get_text_range().split("\r\n"):
        if text.strip():
            lines.append(measured(text, text_page=text_page, offset=offset))
        offset += utf_16_units(text) + 2
    text_page.close()
    return lines


def measured(text: str, *, text_page: PdfTextPage, offset: int) -> Line:
    """Measure a few letters of a line: a bullet or a word in another font says nothing about its size."""
    letters = [place for place, character in enumerate(text) if character.isalnum()] or [len(text) - 1]
    chosen = [*letters[:: len(letters) // MEASURED_LETTERS + 1], letters[-1]]
    boxes = [letter_box(text_page, offset + utf_16_units(text[:place])) for place in chosen]
    heights = sorted(abs(box.top - box.bottom) for box in boxes)
    return Line(
        HYPHEN_AT_LINE_END.sub("-", text.strip()),
        height=round(2 * heights[len(heights) // 2]) / 2,
        base=boxes[0].bottom,
        right=boxes[-1].right,
        last_base=boxes[-1].bottom,
        cells=cells_of(text, text_page=text_page, offset=offset, height=heights[len(heights) // 2]),
    )


def cells_of(text: str, *, text_page: PdfTextPage, offset: int, height: float) -> tuple[Cell, ...]:
    """Return the pieces of a line that stand far apart, or nothing for a line of running text."""
    from pypdfium2 import raw

    start = raw.FPDFText_GetCharIndexFromTextIndex(text_page.raw, offset)
    end = raw.FPDFText_GetCharIndexFromTextIndex(text_page.raw, offset + utf_16_units(text) - 1)
    if start < 0 or end < start:
        return ()
    boxes = [text_page.get_rect(number) for number in range(text_page.count_rects(start, end - start + 1))]
    columns = merged([(left, right) for left, _, right, _ in boxes], height=height)
    if len(columns) < 2:
        return ()
    bottom, top = min(box[1] for box in boxes), max(box[3] for box in boxes)
    return tuple(
        Cell(left, right, HYPHEN_AT_LINE_END.sub("-", text_page.get_text_bounded(left - 1, bottom, right + 1, top)))
        for left, right in columns
    )


def utf_16_units(text: str) -> int:
    """Count as pdfium does: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def letter_box(text_page: PdfTextPage, text_index: int) -> FS_RECTF:
    from pypdfium2 import raw

    box = raw.FS_RECTF()
    letter = raw.FPDFText_GetCharIndexFromTextIndex(text_page.raw, text_index)
    raw.FPDFText_GetLooseCharBox(text_page.raw, letter, box)
    return box
