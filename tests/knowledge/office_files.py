"""Makes the further files that people upload: workbooks, slides, OpenDocument, e-books and Outlook's mails."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from openpyxl import Workbook
from pptx import Presentation

ODT = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0">'
    "<office:body>%s</office:body></office:document-content>"
)
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)


def xlsx(write: Callable[[Any], None]) -> bytes:
    workbook = Workbook()
    write(workbook)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def pptx(write: Callable[[Any], None]) -> bytes:
    presentation = Presentation()
    write(presentation)
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


def package(parts: Mapping[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def odt(body: str, **further: str) -> bytes:
    return package({"content.xml": ODT % body, **{name.replace("__", "/"): part for name, part in further.items()}})


def epub(chapters: Mapping[str, str], *, spine: list[str], **further: str) -> bytes:
    items = "".join(f'<item id="{name}" href="{name}.xhtml"/>' for name in chapters)
    order = "".join(f'<itemref idref="{name}"/>' for name in spine)
    book = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        f"<dc:title>The lighthouse</dc:title><dc:creator>Ada Roe</dc:creator></metadata>"
        f"<manifest>{items}</manifest><spine>{order}</spine></package>"
    )
    parts = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/book.opf": book}
    parts |= {f"OEBPS/{name}.xhtml": f"<html><body>{text}</body></html>" for name, text in chapters.items()}
    return package(parts | {name.replace("__", "/"): part for name, part in further.items()})


def msg(streams: Mapping[str, bytes]) -> bytes:
    """A compound file with these streams; "folder/name" puts one into a storage. See [MS-CFB].

    Each stream is padded to 4,096 bytes, so that no short-stream table is needed.
    """
    folders = sorted({name.rpartition("/")[0] for name in streams} - {""})
    entries = ["Root Entry", *folders, *streams]
    directory_sectors = -(-len(entries) // 4)
    fat, places = [0xFFFFFFFD], {}
    fat += [sector + 2 for sector in range(directory_sectors - 1)] + [0xFFFFFFFE]
    content = b""
    for name, body in streams.items():
        padded = body + bytes(max(4096, -(-len(body) // 512) * 512) - len(body))
        places[name] = (len(fat), len(padded))
        count = len(padded) // 512
        fat += [len(fat) + i + 1 for i in range(count - 1)] + [0xFFFFFFFE]
        content += padded
    assert len(fat) <= 128
    header = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<I", 0) + b"\xff" * 432
    directory = b"".join(entry(name, entries, places=places, folders=folders) for name in entries)
    directory += bytes(directory_sectors * 512 - len(directory))
    return header + struct.pack(f"<{len(fat)}I", *fat) + b"\xff" * (512 - 4 * len(fat)) + directory + content


def entry(name: str, entries: list[str], *, places: Mapping[str, tuple[int, int]], folders: list[str]) -> bytes:
    """One entry of the directory; the entries of a storage hang on one another to the right."""

    def parent(other: str) -> str:
        return "" if other == "Root Entry" else other.rpartition("/")[0] or "Root Entry"

    none = 0xFFFFFFFF
    own = name.rpartition("/")[2].encode("utf-16-le") + b"\0\0"
    later = [i for i, other in enumerate(entries) if parent(other) == parent(name) and i > entries.index(name)]
    children = [i for i, other in enumerate(entries) if parent(other) == name]
    kind = 5 if name == "Root Entry" else 1 if name in folders else 2
    start, size = places.get(name, (0xFFFFFFFE if kind == 5 else 0, 0))
    head = own.ljust(64, b"\0") + struct.pack("<HBB", len(own), kind, 1)
    return head + struct.pack("<III36xIQ", none, (later or [none])[0], (children or [none])[0], start, size)
