"""PowerPoint: each slide is a page with its title, texts, tables and the speaker's notes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import clean
from knowledge.readers.html_markdown import markdown_table
from knowledge.readers.packages import BROKEN, damaged, refuse_bombs
from knowledge.readers.pdf_layout import join_pages

EMPTY_TITLES = frozenset({"", "PowerPoint Presentation", "PowerPoint-Präsentation", "Presentation", "Untitled"})
MAX_GROUP_DEPTH = 20


class PptxReader(Reader):
    label: ClassVar[str] = "PowerPoint presentation"
    media_types: ClassVar[tuple[str, ...]] = (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.presentationml.slideshow",
        "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    )
    extensions: ClassVar[tuple[str, ...]] = (".pptx", ".pptm", ".ppsx")
    is_text: ClassVar[bool] = False
    is_isolated: ClassVar[bool] = True

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        refuse_bombs(body, filename=filename, program="PowerPoint")
        try:
            slides, title = slides_and_title(body)
        # python-pptx meets a broken package with whatever the first missing piece raises; lxml's are SyntaxErrors.
        except BROKEN as error:
            raise damaged(filename, program="PowerPoint") from error
        text, page_starts = join_pages([clean(slide, filename=filename) for slide in slides])
        clean(text, filename=filename)
        return Extract(text=text, title=title, page_starts=page_starts, metadata={"pages": len(slides)})


def slides_and_title(body: bytes) -> tuple[list[str], str]:
    from pptx import Presentation
    from pptx.exc import PythonPptxError

    try:
        presentation = Presentation(io.BytesIO(body))
    except PythonPptxError as error:
        raise ValueError("The package is broken.") from error
    slides = ["\n\n".join(parts_of(slide)) for slide in presentation.slides]
    title = clean(presentation.core_properties.title or "").strip()
    first = next(iter(presentation.slides), None)
    if title in EMPTY_TITLES and first is not None:
        title = title_of(first)
    return slides, title


def title_of(slide: Any) -> str:
    shape = slide.shapes.title
    return " ".join(shape.text_frame.text.split()) if shape is not None else ""


def parts_of(slide: Any) -> Iterator[str]:
    if title := title_of(slide):
        yield f"## {title}"
    heading = slide.shapes.title
    for shape in flat(slide.shapes):
        if heading is None or shape.shape_id != heading.shape_id:
            yield from shape_as_markdown(shape)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None and frame.text.strip():
        yield f"Notes: {' '.join(frame.text.split())}"


def flat(shapes: Any, *, depth: int = 0) -> Iterator[Any]:
    """The shapes in their order, those of groups in their place."""
    from pptx.enum.shapes import MSO_SHAPE_TYPE

    for shape in shapes:
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP and depth < MAX_GROUP_DEPTH:
            yield from flat(shape.shapes, depth=depth + 1)
        else:
            yield shape


def shape_as_markdown(shape: Any) -> Iterator[str]:
    if getattr(shape, "has_table", False) and shape.has_table:
        rows = [[" ".join(cell.text.split()) for cell in row.cells] for row in shape.table.rows]
        if any(any(row) for row in rows):
            yield markdown_table(rows)
    elif shape.has_text_frame and shape.text_frame.text.strip():
        yield "\n".join(lines_of(shape))


def lines_of(shape: Any) -> Iterator[str]:
    """Several paragraphs of one box are bullets, which is how slides are written."""
    paragraphs = [paragraph for paragraph in shape.text_frame.paragraphs if paragraph.text.strip()]
    for paragraph in paragraphs:
        text = " ".join(paragraph.text.split())
        yield f"{'  ' * paragraph.level}- {text}" if len(paragraphs) > 1 else text
