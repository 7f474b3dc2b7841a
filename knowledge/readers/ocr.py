"""Text recognition for scanned pages, where the operator installed tesseract."""

from __future__ import annotations

import shutil
import subprocess
import time
from functools import cache
from typing import TYPE_CHECKING

from knowledge.readers.decoding import clean

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

# What recognition is made for; a poster is rendered coarser, so that it fits into memory.
DOTS_PER_POINT = 200 / 72
MAX_PIXELS = 25_000_000
# For all pages of a file; the clock of the reading process ends somewhat later.
SECONDS = 120
# Every further language makes it slower and less sure.
MOST_LANGUAGES = 4


class Recognition:
    """The recognition of one file's pages, until its time is over."""

    def __init__(self) -> None:
        self.program = shutil.which("tesseract") or ""
        self.ends_at = time.monotonic() + SECONDS
        self.is_over = False

    def text_of(self, page: PdfPage) -> str:
        """The text of a page that is a picture; "" without tesseract, without a picture or without time."""
        left = self.ends_at - time.monotonic()
        self.is_over = self.is_over or left <= 0
        if not self.program or self.is_over or not has_picture(page):
            return ""
        command = [self.program, "stdin", "stdout", *languages(self.program)]
        try:
            done = subprocess.run(  # noqa: S603 (the operator's own program, no words of a document)
                command, input=as_pgm(page), capture_output=True, timeout=left, check=False
            )
        except subprocess.TimeoutExpired:
            self.is_over = True
            return ""
        return clean(done.stdout.decode(errors="replace")) if done.returncode == 0 else ""


@cache
def languages(program: str) -> tuple[str, ...]:
    """The option that names the installed languages."""
    told = subprocess.run(  # noqa: S603 (as above)
        [program, "--list-langs"], capture_output=True, timeout=30, check=False
    ).stdout.decode(errors="replace")
    known = [line.strip() for line in told.splitlines()[1:] if line.strip() and line.strip() != "osd"]
    return ("-l", "+".join(known[:MOST_LANGUAGES])) if known else ()


def has_picture(page: PdfPage) -> bool:
    from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

    return any(True for _ in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE]))


def as_pgm(page: PdfPage) -> bytes:
    """The page in grey, in the plainest format that tesseract reads."""
    width, height = page.get_size()
    scale = min(DOTS_PER_POINT, (MAX_PIXELS / max(width * height, 1)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True)
    pixels = bytes(bitmap.buffer)
    rows = (pixels[row * bitmap.stride : row * bitmap.stride + bitmap.width] for row in range(bitmap.height))
    return b"P5\n%d %d\n255\n" % (bitmap.width, bitmap.height) + b"".join(rows)
