"""Word: headings, paragraphs, lists and tables in their order, from a package that was proven harmless first."""

from __future__ import annotations

import io
import zipfile
from typing import ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import clean
from knowledge.readers.docx_markdown import markdown_of
from knowledge.readers.markdown import first_heading
from knowledge.readers.refusal import unreadable
from magnet.errors import UnreadableDocument

# A manual of a thousand pages has 20 MB of XML; pictures are hardly compressed.
MAX_XML_BYTES = 100_000_000
MAX_PACKAGE_BYTES = 500_000_000
# XML shrinks to a tenth, repetitive tables to a fiftieth; a bomb to a thousandth.
MAX_RATIO = 200
SMALL_ENOUGH_BYTES = 5_000_000
MAX_PARTS = 10_000
# What stands in the title when the author wrote none.
EMPTY_TITLES = frozenset({"", "Word Document", "Untitled"})
# No part of a Word file declares entities; only an attack does.
DOCTYPES = (b"<!DOCTYPE", b"<!ENTITY", "<!DOCTYPE".encode("utf-16-le"), "<!DOCTYPE".encode("utf-16-be"))


class DocxReader(Reader):
    label: ClassVar[str] = "Word document"
    media_types: ClassVar[tuple[str, ...]] = (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.ms-word.document.macroenabled.12",
    )
    extensions: ClassVar[tuple[str, ...]] = (".docx", ".docm")
    is_text: ClassVar[bool] = False
    is_isolated: ClassVar[bool] = True

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        refuse_bombs(body, filename=filename)
        try:
            markdown, title = text_and_title(body)
        # python-docx meets a broken package with whatever the first missing piece raises; lxml's are SyntaxErrors.
        except (LookupError, ValueError, AttributeError, TypeError, SyntaxError, RecursionError) as error:
            raise damaged(filename) from error
        text = clean(markdown, filename=filename)
        return Extract(text=text, title=title if title not in EMPTY_TITLES else first_heading(text))


def text_and_title(body: bytes) -> tuple[str, str]:
    from docx import Document
    from docx.opc.exceptions import OpcError

    try:
        document = Document(io.BytesIO(body))
    except OpcError as error:
        raise ValueError("The package is broken.") from error
    return markdown_of(document), clean(document.core_properties.title or "").strip()


def refuse_bombs(body: bytes, *, filename: str) -> None:
    """Look at the directory of the package, then inflate its XML with a limit, before any parser sees it."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as package:
            parts = package.infolist()
            check_sizes(parts, filename=filename)
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    check_xml(package, part, filename=filename)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ValueError, RuntimeError) as error:
        raise damaged(filename) from error


def check_sizes(parts: list[zipfile.ZipInfo], *, filename: str) -> None:
    xml_bytes = sum(part.file_size for part in parts if part.filename.endswith((".xml", ".rels")))
    package_bytes = sum(part.file_size for part in parts)
    is_bomb = any(
        part.file_size > SMALL_ENOUGH_BYTES and part.file_size > MAX_RATIO * max(part.compress_size, 1)
        for part in parts
    )
    if is_bomb or len(parts) > MAX_PARTS or xml_bytes > MAX_XML_BYTES or package_bytes > MAX_PACKAGE_BYTES:
        raise unreadable(
            filename,
            "unpacks to far more than a document needs (a “zip bomb”), so it was not opened. "
            "If you trust it, save its text in a new document and upload that.",
        )


def check_xml(package: zipfile.ZipFile, part: zipfile.ZipInfo, *, filename: str) -> None:
    """Read the part to its declared size, which proves its checksum, and refuse declarations of entities."""
    tail = b""
    with package.open(part) as stream:
        while block := stream.read(1_000_000):
            if any(mark in tail + block for mark in DOCTYPES):
                raise unreadable(
                    filename,
                    "contains XML entities, which no Word document needs, so it was not opened. Save it again in Word.",
                )
            tail = block[-40:]


def damaged(filename: str) -> UnreadableDocument:
    return unreadable(filename, "is damaged or not complete. Open it in Word, save it again and upload the result.")
