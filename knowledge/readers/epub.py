"""E-books (EPUB): the chapters in the order of reading, with their headings."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import unquote

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import clean, decode
from knowledge.readers.html import DEEP_SENTENCE, MAX_DEPTH, depth_of, noise_of
from knowledge.readers.html_markdown import markdown_of
from knowledge.readers.packages import BROKEN, check_sizes, damaged, xml_of
from knowledge.readers.refusal import MAX_TEXT_CHARACTERS, too_long, unreadable

PROGRAM = "your e-book program"
CONTAINER = "META-INF/container.xml"
# Only fonts may be scrambled in a book that can be read.
FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


class EpubReader(Reader):
    label: ClassVar[str] = "E-book (EPUB)"
    media_types: ClassVar[tuple[str, ...]] = ("application/epub+zip",)
    extensions: ClassVar[tuple[str, ...]] = (".epub",)
    is_text: ClassVar[bool] = False
    is_isolated: ClassVar[bool] = True

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as package:
                check_sizes(package.infolist(), filename=filename)
                refuse_locked(package, filename=filename)
                folder, book = opened(package)
                chapters = list(chapters_of(package, book, folder=folder, filename=filename))
        except BROKEN as error:
            raise damaged(filename, program=PROGRAM) from error
        title, author = (first_text(book, name) for name in ("title", "creator"))
        text = clean("\n\n".join(chapters), filename=filename)
        return Extract(text=text, title=title, metadata={"author": author} if author else {})


def refuse_locked(package: zipfile.ZipFile, *, filename: str) -> None:
    name = "META-INF/encryption.xml"
    if name not in package.namelist():
        return
    used = [element.get("Algorithm", "") for element in xml_of(package.read(name)).iter() if is_method(element)]
    if any(not algorithm.startswith(FONT_SCRAMBLING) for algorithm in used):
        raise unreadable(filename, "is protected against copying (DRM). Get a copy without protection and upload that.")


def is_method(element: Any) -> bool:
    return local_name(element) == "EncryptionMethod"


def opened(package: zipfile.ZipFile) -> tuple[str, Any]:
    """The folder of the book's description, and its root."""
    container = xml_of(package.read(CONTAINER))
    path = next((e.get("full-path") for e in container.iter() if local_name(e) == "rootfile"), None)
    if path is None:
        raise ValueError("The container names no book.")
    return posixpath.dirname(path), xml_of(package.read(path))


def chapters_of(package: zipfile.ZipFile, book: Any, *, folder: str, filename: str) -> Iterator[str]:
    """Yield the chapters in the order of the spine; what it names but is missing is passed over."""
    places = {e.get("id"): e.get("href", "") for e in book.iter() if local_name(e) == "item"}
    names, length = set(package.namelist()), 0
    # A spine that names a chapter a hundred thousand times means it once.
    spine = dict.fromkeys(e.get("idref") for e in book.iter() if local_name(e) == "itemref")
    for reference in spine:
        path = posixpath.normpath(posixpath.join(folder, unquote(places.get(reference, ""))))
        if path not in names:
            continue
        chapter = chapter_as_markdown(package.read(path), filename=filename)
        length += len(chapter)
        if length > MAX_TEXT_CHARACTERS:
            raise too_long(filename)
        if chapter:
            yield chapter


def chapter_as_markdown(body: bytes, *, filename: str) -> str:
    from selectolax.lexbor import LexborHTMLParser

    if not body.strip():
        return ""
    text = decode(body, filename=filename)
    if depth_of(text) > MAX_DEPTH:
        raise unreadable(filename, DEEP_SENTENCE)
    page = LexborHTMLParser(text)
    page.strip_tags(["script", "style"])
    return markdown_of(page.body, without=noise_of(page)) if page.body else ""


def first_text(book: Any, name: str) -> str:
    element = next((e for e in book.iter() if local_name(e) == name), None)
    return clean(" ".join("".join(element.itertext()).split()))[:300] if element is not None else ""


def local_name(element: Any) -> str:
    """The name of a tag without its namespace; comments have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
