"""From lines on a page to paragraphs and headings: what a PDF never says and a person sees at once."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from knowledge.readers.pdf_tables import Cell, as_markdown, is_row, is_table, runs

# A heading is at least this much higher than the letters that most of the document is set in.
HEADING_RATIO = 1.15
MAX_HEADING_CHARACTERS = 200
MAX_HEADING_LEVEL = 4
# Where more of the document than this has large letters, they are no headings.
MAX_HEADING_SHARE = 0.3
# A distance between two lines beyond this many times the usual one begins a paragraph.
PARAGRAPH_GAP = 1.35
# Letters that differ by more than this are of another size, not just of another font.
OTHER_HEIGHT = 0.12
# The header of a short chapter stands on a few pages only.
FEWEST_RUNNING = 3
# A line that ends before this share of the widest one was ended on purpose.
FULL_LINE = 0.7
BULLET = re.compile(r"[•▪‣◦●○■□·\uf0b7\uf0a7]\s*|[-–*]\s+")
NUMBERED = re.compile(r"(?:\d{1,3}|[a-zA-Z])[.)]\s+\S")
PAGE_NUMBER = re.compile(
    r"(?:(?:page|seite|página|pagina|sida|side|p\.|s\.)\s*)?[-–|]?\s*\d{1,4}\s*[-–|]?(?:\s*(?:/|of|von|de|sur|di|av)\s*\d{1,4})?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    """One line of text, in points from the lower left corner: the height of its letters and where they stand.

    pdfium puts the halves of a hyphenated word together, so the last letter may stand lower than the first.
    """

    text: str
    height: float
    base: float
    right: float
    last_base: float
    # The pieces of a line that has wide gaps; empty for running text.
    cells: tuple[Cell, ...] = ()


def pages_as_markdown(pages: list[list[Line]]) -> list[str]:
    """Return each page as Markdown, without running titles and page numbers; a page without text is ""."""
    pages = without_running_titles(pages)
    levels = heading_levels([line for page in pages for line in page])
    return [page_as_markdown(page, levels=levels) for page in pages]


def without_running_titles(pages: list[list[Line]]) -> list[list[Line]]:
    """Drop page numbers, and small print that stands at the same place of several pages with other digits at most."""
    usual = usual_height([line for page in pages for line in page])
    seen = Counter(shape for page in pages for shape in {shape_of(line) for line in edges(page)})
    running = {shape for shape, count in seen.items() if count >= FEWEST_RUNNING and shape[1] < HEADING_RATIO * usual}
    kept = []
    for page in pages:
        dropped = {line for line in edges(page) if shape_of(line) in running or PAGE_NUMBER.fullmatch(line.text)}
        # A page that has nothing else, such as every page of a set of slides with one word each, keeps it.
        kept.append([line for line in page if line not in dropped] or page)
    return kept


def edges(page: list[Line]) -> list[Line]:
    """Return the two highest and the two lowest lines, whichever were drawn first."""
    by_place = sorted(page, key=lambda line: line.base)
    return by_place[:2] + by_place[2:][-2:]


def shape_of(line: Line) -> tuple[str, float, int]:
    return re.sub(r"\d+", "0", line.text), line.height, round(line.base)


def usual_height(lines: list[Line]) -> float:
    """Return the height of the letters that most of the text is set in."""
    characters = heights_of(lines)
    return characters.most_common(1)[0][0] if characters else 0.0


def heights_of(lines: list[Line]) -> Counter[float]:
    characters: Counter[float] = Counter()
    for line in lines:
        characters[line.height] += len(line.text)
    return characters


def heading_levels(lines: list[Line]) -> dict[float, int]:
    """Map the heights of letters that only headings have to levels, the highest to 1."""
    characters, usual = heights_of(lines), usual_height(lines)
    most = MAX_HEADING_SHARE * characters.total()
    heights = sorted((h for h, n in characters.items() if h >= HEADING_RATIO * usual and n < most), reverse=True)
    return {height: min(level, MAX_HEADING_LEVEL) for level, height in enumerate(heights, start=1)}


def page_as_markdown(page: list[Line], *, levels: dict[float, int]) -> str:
    """Write tables as such, and the lines between them as paragraphs."""
    pitch, widest = usual_pitch(page), max((line.right for line in page), default=0.0)
    parts: list[str] = []
    loose: list[Line] = []
    for are_rows, first, last in runs([is_row(line.cells) and not levels.get(line.height) for line in page]):
        if not are_rows or not is_table([line.cells for line in page[first:last]]):
            loose += page[first:last]
            continue
        parts += [joined(loose, levels=levels, pitch=pitch, widest=widest)]
        parts += [as_markdown([line.cells for line in page[first:last]])]
        loose = []
    parts.append(joined(loose, levels=levels, pitch=pitch, widest=widest))
    return "\n\n".join(filter(None, parts))


def joined(lines: list[Line], *, levels: dict[float, int], pitch: float, widest: float) -> str:
    """Join lines to paragraphs, and mark headings and bullets."""
    parts: list[str] = []
    before: Line | None = None
    for line in lines:
        level = levels.get(line.height, 0) if len(line.text) <= MAX_HEADING_CHARACTERS else 0
        text = BULLET.sub("- ", line.text, count=1) if BULLET.match(line.text) else line.text
        if before is None or begins_paragraph(line, after=before, pitch=pitch, widest=widest):
            parts += ["\n\n", f"{'#' * level} {text}" if level else text]
        elif level:
            parts += [" ", text]
        else:
            parts[-1], glue = glued(parts[-1], text, is_full=before.right >= FULL_LINE * widest)
            parts += [glue, text]
        before = line
    return "".join(parts[1:])


def usual_pitch(page: list[Line]) -> float:
    """Return the usual distance from one line to the next; paragraphs are set further apart, so not the median."""
    distances = sorted(d for a, b in pairwise(page) if (d := distance(a, b)) > 0)
    return distances[len(distances) // 3] if distances else 0.0


def distance(before: Line, line: Line) -> float:
    """Measure from base line to base line; negative where the text goes on at the top of another column."""
    return before.last_base - line.base


def begins_paragraph(line: Line, *, after: Line, pitch: float, widest: float) -> bool:
    if abs(line.height - after.height) > OTHER_HEIGHT * after.height:
        return True
    gap = distance(after, line)
    if gap > PARAGRAPH_GAP * max(pitch, after.height):
        return True
    if gap < 0:
        return re.search(r"[.!?:]$", after.text) is not None or not line.text[0].islower()
    return re.search(r"[.!?:]$", after.text) is not None and after.right < FULL_LINE * widest


def glued(before: str, text: str, *, is_full: bool) -> tuple[str, str]:
    """Decide what stands between two lines of a paragraph: nothing, a space or the end of a line."""
    if re.search(r"[^\W\d_]-$", before) and text[0].islower():
        return before[:-1], ""
    if BULLET.match(text) or NUMBERED.match(text):
        return before, "\n"
    return before, " " if is_full or text[0].islower() else "\n"


def join_pages(texts: list[str]) -> tuple[str, tuple[int, ...]]:
    """Put the pages together and say where each begins; a sentence that runs on stays one paragraph."""
    parts: list[str] = []
    starts, position = [], 0
    for text in texts:
        if text and parts:
            parts.append(between_pages(parts[-1], text))
            position += len(parts[-1])
        starts.append(position)
        if text:
            parts.append(text)
            position += len(text)
    return "".join(parts), tuple(starts)


def between_pages(before: str, after: str) -> str:
    is_heading = before[before.rfind("\n") + 1 :].startswith("#")
    runs_on = re.search(r"[\w,;–-]$", before) and after[0].islower()
    return " " if runs_on and not is_heading else "\n\n"
