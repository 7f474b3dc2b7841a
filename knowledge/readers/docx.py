"""Word: headings, paragraphs, lists and tables in their order, from a package that was proven harmless first."""

from __future__ import annotations

import io
from typing import ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import clean
from knowledge.readers.docx_markdown import markdown_of
from knowledge.readers.markdown import first_heading
from knowledge.readers.packages import BROKEN, damaged, refuse_bombs

# What stands in the title when the author wrote none.
EMPTY_TITLES = frozenset({"", "Word Document", "Untitled"})


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
        refuse_bombs(body, filename=filename, program="Word")
        try:
            markdown, title = text_and_title(body)
        # python-docx meets a broken package with whatever the first missing piece raises; lxml's are SyntaxErrors.
        except BROKEN as error:
            raise damaged(filename, program="Word") from error
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
