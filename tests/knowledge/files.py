"""Makes the files that people upload: PDFs, Word documents and packages, good and bad."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

from docx import Document
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen import canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

FILLER = (
    "Every employee may take thirty days of holiday each year, and whoever joins in the middle of a year takes "
    "the share that belongs to the months that are left. "
)


def pdf(*pages: Iterable[tuple[str, str]], title: str = "") -> bytes:
    """Set pages of (style, text), with the styles of reportlab: Heading1, Heading2, BodyText."""
    styles = getSampleStyleSheet()
    story: list[object] = []
    for page in pages:
        story += [Paragraph(text, styles[style]) for style, text in page]
        story.append(PageBreak())
    file = io.BytesIO()
    SimpleDocTemplate(file, pagesize=A4, title=title).build(story)
    return file.getvalue()


def pdf_of_lines(*pages: Iterable[str], size: int = 11) -> bytes:
    """Draw each line where a typesetter would, so that the ends of lines are known."""
    file = io.BytesIO()
    drawing = canvas.Canvas(file, pagesize=A4)
    for page in pages:
        drawing.setFont("Helvetica", size)
        for number, line in enumerate(page):
            drawing.drawString(72, 760 - number * size * 1.3, line)
        drawing.showPage()
    drawing.save()
    return file.getvalue()


def pdf_with_password() -> bytes:
    file = io.BytesIO()
    drawing = canvas.Canvas(file, encrypt="secret")
    drawing.drawString(72, 720, "Salaries")
    drawing.save()
    return file.getvalue()


def scanned_pdf() -> bytes:
    file = io.BytesIO()
    drawing = canvas.Canvas(file)
    drawing.rect(72, 72, 300, 300, fill=1)
    drawing.showPage()
    drawing.save()
    return file.getvalue()


def docx(write: object = None) -> bytes:
    """Save the Word document that `write(document)` fills."""
    document = Document()
    if callable(write):
        write(document)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def with_part(package: bytes, name: str, content: bytes) -> bytes:
    """Replace one part of a Word document, or add it."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, content)
    return file.getvalue()


def zipped(**parts: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        for name, content in parts.items():
            package.writestr(name.replace("__", "/"), content)
    return file.getvalue()
