"""OpenDocument (LibreOffice): texts, and the tables of spreadsheets and the slides of presentations as they come."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any, ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import clean
from knowledge.readers.markdown import first_heading
from knowledge.readers.packages import BROKEN, damaged, refuse_bombs, xml_of
from knowledge.readers.pdf_layout import join_pages
from knowledge.readers.refusal import unreadable
from knowledge.readers.tables import blocks_of

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
TITLE = "{http://purl.org/dc/elements/1.1/}title"
# Deleted text that is still tracked, comments, and the table of contents, which repeats the headings.
UNSEEN = frozenset(
    {f"{TEXT}tracked-changes", f"{OFFICE}annotation", f"{TEXT}table-of-content", f"{TEXT}sequence-decls"}
    | {f"{TEXT}note-citation", f"{OFFICE}forms", f"{TABLE}shapes"}
)
# A row of empty cells may say that it is repeated a million times.
MOST_REPEATED = 100


class OdtReader(Reader):
    label: ClassVar[str] = "OpenDocument"
    media_types: ClassVar[tuple[str, ...]] = (
        "application/vnd.oasis.opendocument.text",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.presentation",
    )
    extensions: ClassVar[tuple[str, ...]] = (".odt", ".ods", ".odp")
    is_text: ClassVar[bool] = False
    is_isolated: ClassVar[bool] = True

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        refuse_bombs(body, filename=filename, program="LibreOffice")
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as package:
                if is_encrypted(package):
                    raise unreadable(
                        filename, "is protected by a password. Save it without the password and upload it again."
                    )
                content = xml_of(package.read("content.xml"))
                title = title_of(package)
        except BROKEN as error:
            raise damaged(filename, program="LibreOffice") from error
        text, page_starts = texts_of(content, filename=filename)
        return Extract(text=text, title=title or first_heading(text), page_starts=page_starts)


def is_encrypted(package: zipfile.ZipFile) -> bool:
    name = "META-INF/manifest.xml"
    return name in package.namelist() and b"encryption-data" in package.read(name)


def title_of(package: zipfile.ZipFile) -> str:
    if "meta.xml" not in package.namelist():
        return ""
    element = next(xml_of(package.read("meta.xml")).iter(TITLE), None)
    return clean("".join(element.itertext())).strip() if element is not None else ""


def texts_of(content: Any, *, filename: str) -> tuple[str, tuple[int, ...]]:
    """The whole text, with the starts of its pages where it has slides."""
    body = next(content.iter(f"{OFFICE}body"), content)
    slides = list(body.iter(f"{DRAW}page"))
    if slides:
        return join_pages([clean("\n\n".join(blocks(slide)), filename=filename) for slide in slides])
    return clean("\n\n".join(blocks(body)), filename=filename), ()


def blocks(parent: Any) -> Iterator[str]:
    """Yield what stands in `parent` as Markdown, block by block."""
    for element in parent:
        tag = element.tag
        if tag in UNSEEN:
            continue
        if tag == f"{TEXT}h":
            yield from heading(element)
        elif tag == f"{TEXT}p":
            yield from filter(None, [text_of(element)])
        elif tag == f"{TEXT}list":
            yield from filter(None, ["\n".join(items(element, depth=0))])
        elif tag == f"{TABLE}table":
            yield from table(element)
        elif tag == f"{PRESENTATION}notes":
            yield from (f"Notes: {block}" for block in blocks(element))
        else:
            yield from blocks(element)


def heading(element: Any) -> Iterator[str]:
    level = element.get(f"{TEXT}outline-level", "1")
    if text := " ".join(text_of(element).split()):
        yield f"{'#' * min(int(level) if level.isdecimal() else 1, 6)} {text}"


def items(element: Any, *, depth: int) -> Iterator[str]:
    for item in element.iter(f"{TEXT}list-item", f"{TEXT}list-header"):
        if item.getparent() is not element:
            continue
        for child in item:
            if child.tag == f"{TEXT}list":
                yield from items(child, depth=depth + 1)
            elif text := " ".join(text_of(child).split()):
                yield f"{'  ' * depth}- {text}"


def table(element: Any) -> Iterator[str]:
    name = element.get(f"{TABLE}name", "")
    rows = [cells for row in element.iter(f"{TABLE}table-row") for cells in cells_of(row) if any(cells)]
    if not rows:
        return
    is_sheet = element.getparent().tag == f"{OFFICE}spreadsheet"
    if is_sheet and name:
        yield f"## {name}"
    if max(map(len, rows)) < 2:
        yield from (row[0] for row in rows)
    else:
        yield from blocks_of(rows)


def cells_of(row: Any) -> Iterator[list[str]]:
    cells: list[str] = []
    for cell in row:
        if cell.tag in {f"{TABLE}table-cell", f"{TABLE}covered-table-cell"}:
            text = " ".join(" ".join(blocks(cell)).split())
            cells += [text] * repeated(cell, "columns")
    while cells and not cells[-1]:
        cells.pop()
    for _ in range(repeated(row, "rows") if cells else 0):
        yield cells


def repeated(element: Any, what: str) -> int:
    said = element.get(f"{TABLE}number-{what}-repeated", "1")
    return min(int(said) if said.isdecimal() else 1, MOST_REPEATED)


def text_of(element: Any) -> str:
    return "".join(pieces(element)).strip()


def pieces(element: Any) -> Iterator[str]:
    """The text as a reader of the page sees it: spaces that are counted, tabs, line breaks."""
    yield element.text or ""
    for child in element:
        if child.tag == f"{TEXT}s" or child.tag == f"{TEXT}tab":
            yield " "
        elif child.tag == f"{TEXT}line-break":
            yield "\n"
        elif child.tag not in UNSEEN and isinstance(child.tag, str):
            yield from pieces(child)
        yield child.tail or ""
