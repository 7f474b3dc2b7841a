"""Documents that are ZIP packages of XML: proven harmless before any parser sees them, and their XML opened safely."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

from knowledge.readers.refusal import unreadable
from magnet.errors import UnreadableDocument

# A manual of a thousand pages has 20 MB of XML; pictures are hardly compressed.
MAX_XML_BYTES = 100_000_000
MAX_PACKAGE_BYTES = 500_000_000
# XML shrinks to a tenth, repetitive tables to a fiftieth; a bomb to a thousandth.
MAX_RATIO = 200
SMALL_ENOUGH_BYTES = 5_000_000
MAX_PARTS = 10_000
MARKUP = (".xml", ".rels")
# What the libraries raise when a piece of a package is missing or broken; lxml's errors are SyntaxErrors.
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, LookupError, ValueError, AttributeError, TypeError),
    *(SyntaxError, RuntimeError),
)
# No part of an office file declares entities; only an attack does.
DOCTYPES = (b"<!DOCTYPE", b"<!ENTITY", "<!DOCTYPE".encode("utf-16-le"), "<!DOCTYPE".encode("utf-16-be"))


def refuse_bombs(body: bytes, *, filename: str, program: str) -> None:
    """Look at the directory of the package, then inflate its XML with a limit, before any parser sees it."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as package:
            parts = package.infolist()
            check_sizes(parts, filename=filename)
            for part in parts:
                if part.filename.endswith(MARKUP):
                    check_xml(package, part, filename=filename, program=program)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise damaged(filename, program=program) from error


def check_sizes(parts: list[zipfile.ZipInfo], *, filename: str) -> None:
    xml_bytes = sum(part.file_size for part in parts if part.filename.endswith(MARKUP))
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


def check_xml(package: zipfile.ZipFile, part: zipfile.ZipInfo, *, filename: str, program: str) -> None:
    """Read the part to its declared size, which proves its checksum, and refuse declarations of entities."""
    tail = b""
    with package.open(part) as stream:
        while block := stream.read(1_000_000):
            if any(mark in tail + block for mark in DOCTYPES):
                raise unreadable(
                    filename,
                    f"contains XML entities, which no file needs, so it was not opened. Save it again in {program}.",
                )
            tail = block[-40:]


def damaged(filename: str, *, program: str) -> UnreadableDocument:
    return unreadable(
        filename, f"is damaged or not complete. Open it in {program}, save it again and upload the result."
    )


def xml_of(content: bytes) -> Any:
    """The root of an XML part. Raises lxml's errors, which are SyntaxErrors."""
    from lxml import etree

    # No entities, no network, no document types; the sizes were checked before.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, recover=False)
    return etree.fromstring(content, parser)
