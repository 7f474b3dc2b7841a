"""Files in, Markdown out: which reader takes a file is decided by its content, then its media type, then its name."""

from __future__ import annotations

from pathlib import PurePath

from knowledge.readers.base import Extract, Reader
from knowledge.readers.code import CodeReader
from knowledge.readers.csv import CsvReader
from knowledge.readers.decoding import believe_charset, clean, is_binary, utf_16_without_mark
from knowledge.readers.docx import DocxReader
from knowledge.readers.eml import EmlReader
from knowledge.readers.epub import EpubReader
from knowledge.readers.html import HtmlReader
from knowledge.readers.isolation import read_isolated
from knowledge.readers.json import JsonReader
from knowledge.readers.markdown import MarkdownReader
from knowledge.readers.msg import MsgReader
from knowledge.readers.odt import OdtReader
from knowledge.readers.pdf import PdfReader
from knowledge.readers.pptx import PptxReader
from knowledge.readers.refusal import unreadable, unsupported
from knowledge.readers.signatures import GENERIC_MEDIA_TYPES, kind_by_content, split_media_type
from knowledge.readers.text import TextReader
from knowledge.readers.xlsx import XlsxReader

__all__ = ["READERS", "Extract", "Reader", "clean", "read", "read_text", "reader_for", "supported_extensions"]

VOWELS = "AEIO"

READERS: dict[str, type[Reader]] = {
    "markdown": MarkdownReader,
    "text": TextReader,
    "html": HtmlReader,
    "pdf": PdfReader,
    "docx": DocxReader,
    "csv": CsvReader,
    "xlsx": XlsxReader,
    "pptx": PptxReader,
    "odt": OdtReader,
    "epub": EpubReader,
    "eml": EmlReader,
    "msg": MsgReader,
    "json": JsonReader,
    "code": CodeReader,
}


def read(body: bytes, *, media_type: str = "", filename: str = "") -> Extract:
    """Turn a file into text, or raise UnreadableDocument with a sentence that says what to do."""
    kind = reader_for(body, media_type=media_type, filename=filename)
    _, charset = split_media_type(media_type)
    if charset and kind.is_text:
        body = believe_charset(body, charset)
    extract = read_isolated(kind, body, filename=filename) if kind.is_isolated else kind().read(body, filename=filename)
    if not extract.text.strip():
        raise unreadable(filename, "contains no text. Check that it is the right file.")
    return extract


def read_text(text: str, *, media_type: str = "") -> Extract:
    """As `read`, for what is text already: one that names a PDF or a Word document was taken out of it."""
    kind = kind_by_claim(media_type=media_type, filename="")
    return read(text.encode(), media_type=media_type if kind and READERS[kind].is_text else "text/plain")


def reader_for(body: bytes, *, media_type: str = "", filename: str = "") -> type[Reader]:
    """Choose the reader: a file with a lying name is read as what it is, or refused."""
    if kind := kind_by_content(body, filename=filename):
        return READERS[kind]
    kind = kind_by_claim(media_type=media_type, filename=filename)
    # An e-mail has no signature: its reader looks at the headers.
    if kind and kind != "eml" and not READERS[kind].is_text:
        label = READERS[kind].label
        named = f"an {label}" if label[0] in VOWELS else f"a {label}"
        raise unreadable(
            filename, f"claims to be {named} file but is none. Check where it came from and save it again."
        )
    if not kind and is_binary(body) and not utf_16_without_mark(body):
        raise unsupported(filename)
    return READERS[kind or "text"]


def kind_by_claim(*, media_type: str, filename: str) -> str:
    """Take the kind from the media type, or from the name where the media type says nothing; "" if neither does."""
    base, _ = split_media_type(media_type)
    extension = PurePath(filename.lower()).suffix
    by_type = [
        kind for kind, reader in READERS.items() if base in reader.media_types and base not in GENERIC_MEDIA_TYPES
    ]
    by_name = [kind for kind, reader in READERS.items() if extension in reader.extensions]
    return next(iter([*by_type, *by_name]), "")


def supported_extensions() -> tuple[str, ...]:
    """Return every extension with its dot, in the order of READERS: what forms offer and folders are searched for."""
    return tuple(extension for reader in READERS.values() for extension in reader.extensions)
