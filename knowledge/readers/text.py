"""Plain text: notes, logs, transcripts. What stands there is what is indexed."""

from __future__ import annotations

from typing import ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import decode


class TextReader(Reader):
    label: ClassVar[str] = "Plain text"
    media_types: ClassVar[tuple[str, ...]] = ("text/plain",)
    extensions: ClassVar[tuple[str, ...]] = (".txt", ".text", ".log", ".rst", ".adoc")

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        return Extract(text=decode(body, filename=filename))
