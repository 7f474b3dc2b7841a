"""The pictures of the handbook: taken by the browser tests on their way, where `make pictures` asks for them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from tests.processes import ROOT

FOLDER = ROOT / "docs" / "images" / "handbook"
IS_WANTED = os.environ.get("MAGNET_PICTURES") == "1"
# Addresses in pictures are those that a reader sees at home.
PORT = 8000 if IS_WANTED else 0
VIEWPORT = {"width": 1280, "height": 800}
COLOURS = 128


def picture(page: Any, name: str, *, of: Any = None) -> None:
    """Keep what a person sees now, scrolled to the element if one is named."""
    if not IS_WANTED:
        return
    if of is not None:
        of.evaluate("element => element.scrollIntoView({block: 'start'})")
        page.evaluate("window.scrollBy(0, -110)")
    # What fades in is there, and what was hovered over is not.
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)
    keep(page.screenshot(animations="disabled", caret="hide"), FOLDER / f"{name}.png")


def keep(shot: bytes, path: Path) -> None:
    """As a palette, which needs a third of the room."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
