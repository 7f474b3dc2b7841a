"""The body of a Word document as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from knowledge.readers.html_markdown import markdown_table

if TYPE_CHECKING:
    from docx.document import Document

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# Deleted and moved-away text, field codes, and the second copy that Word keeps for old programs.
UNSEEN = frozenset(W + tag for tag in ("del", "moveFrom", "pPr", "rPr", "instrText", "delText")) | {
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
}
# What stands for a character; a paragraph inside a paragraph belongs to a text box.
MARKS = {f"{W}tab": " ", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-", f"{W}p": "\n"}
# Wrappers around paragraphs, rows and cells: content controls, tracked insertions, custom XML.
WRAPPERS = frozenset(W + tag for tag in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag"))
HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)
CONTENTS_STYLE = re.compile(r"toc \d|table of figures", re.IGNORECASE)


@dataclass(frozen=True)
class Style:
    """What a paragraph's style says: a heading level, or the list it belongs to."""

    heading: int = 0
    list_id: str = ""
    is_contents: bool = False


@dataclass(frozen=True)
class Sheet:
    """The styles and numberings of one document, and how far each numbering has counted."""

    styles: dict[str, Style]
    numbered: frozenset[tuple[str, str]]
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)


def markdown_of(document: Document) -> str:
    sheet = Sheet(styles=styles_of(document), numbered=numbered_lists(document))
    parts: list[str] = []
    was_item = False
    for block, is_item in blocks_of(document.element.body, sheet=sheet):
        parts += ["\n" if was_item and is_item else "\n\n", block]
        was_item = is_item
    return "".join(parts[1:])


def styles_of(document: Document) -> dict[str, Style]:
    """Read the styles by their built-in names, which are English in every language of Word."""
    found: dict[str, Style] = {}
    for element in document.styles.element.iter(f"{W}style"):
        name = value_of(element.find(f"{W}name"))
        parent = found.get(value_of(element.find(f"{W}basedOn")), Style())
        heading = HEADING_STYLE.match(name)
        outline = value_of(element.find(f"{W}pPr/{W}outlineLvl"))
        level = int(heading[1]) if heading else int(outline) + 1 if outline.isdecimal() else parent.heading
        found[element.get(f"{W}styleId", "")] = Style(
            heading=1 if name.lower() == "title" else level if level <= 6 else 0,
            list_id=value_of(element.find(f"{W}pPr/{W}numPr/{W}numId")) or parent.list_id,
            is_contents=CONTENTS_STYLE.match(name) is not None,
        )
    return found


def numbered_lists(document: Document) -> frozenset[tuple[str, str]]:
    """Return (numbering, level) of every list that counts; the others have bullets."""
    from docx.opc.constants import RELATIONSHIP_TYPE

    parts = [r for r in document.part.rels.values() if r.reltype == RELATIONSHIP_TYPE.NUMBERING and not r.is_external]
    if not parts:
        return frozenset()
    root = document.part.numbering_part.element
    counting: dict[str, list[str]] = {}
    for abstract in root.iter(f"{W}abstractNum"):
        levels = [
            level for level in abstract.iter(f"{W}lvl") if value_of(level.find(f"{W}numFmt")) not in {"bullet", "none"}
        ]
        counting[abstract.get(f"{W}abstractNumId", "")] = [level.get(f"{W}ilvl", "0") for level in levels]
    numbers = ((n.get(f"{W}numId", ""), value_of(n.find(f"{W}abstractNumId"))) for n in root.iter(f"{W}num"))
    return frozenset((number, level) for number, abstract in numbers for level in counting.get(abstract, []))


def value_of(element: Any) -> str:
    return str(element.get(f"{W}val", "")) if element is not None else ""


def blocks_of(parent: Any, *, sheet: Sheet) -> Iterator[tuple[str, bool]]:
    """Yield every paragraph and table as Markdown, and whether it is an item of a list."""
    for element in parent:
        if element.tag == f"{W}p":
            yield from paragraph(element, sheet=sheet)
        elif element.tag == f"{W}tbl":
            yield from table(element, sheet=sheet)
        elif element.tag in WRAPPERS:
            yield from blocks_of(element, sheet=sheet)


def paragraph(element: Any, *, sheet: Sheet) -> Iterator[tuple[str, bool]]:
    text = "".join(text_of(element)).strip()
    properties = element.find(f"{W}pPr")
    style = sheet.styles.get(value_of(element.find(f"{W}pPr/{W}pStyle")), Style())
    if not text or style.is_contents:
        return
    if style.heading:
        yield f"{'#' * style.heading} {' '.join(text.split())}", False
        return
    numbering = properties.find(f"{W}numPr") if properties is not None else None
    own_list = value_of(numbering.find(f"{W}numId")) if numbering is not None else ""
    level = value_of(numbering.find(f"{W}ilvl")) if numbering is not None else ""
    list_id = own_list or style.list_id
    # "0" takes a paragraph out of the list that its style puts it in.
    if list_id in {"", "0"}:
        yield text, False
        return
    yield item(text, list_id=list_id, level=int(level) if level.isdecimal() else 0, sheet=sheet), True


def item(text: str, *, list_id: str, level: int, sheet: Sheet) -> str:
    marker = "-"
    if (list_id, str(level)) in sheet.numbered:
        sheet.counts[list_id, level] += 1
        marker = f"{sheet.counts[list_id, level]}."
    for deeper in range(level + 1, 9):
        sheet.counts.pop((list_id, deeper), None)
    indent = "   " * min(level, 8)
    return f"{indent}{marker} {text.replace(chr(10), chr(10) + indent + '   ')}"


def text_of(element: Any) -> Iterator[str]:
    """Yield the text that a reader of the printed page would see."""
    for child in element:
        if child.tag in UNSEEN:
            continue
        if child.tag == f"{W}t":
            yield child.text or ""
            continue
        yield MARKS.get(child.tag, "")
        yield from text_of(child)


def table(element: Any, *, sheet: Sheet) -> Iterator[tuple[str, bool]]:
    """Write a table as a Markdown table; one of a single column is a frame around paragraphs."""
    rows = [list(inside(row, "tc")) for row in inside(element, "tr")]
    rows = [row for row in rows if row]
    if max(map(len, rows), default=0) < 2:
        for row in rows:
            yield from blocks_of(row[0], sheet=sheet)
        return
    cells = [[text for cell in row for text in cell_texts(cell, sheet=sheet)] for row in rows]
    yield markdown_table([row for row in cells if any(row)] or [[""]]), False


def inside(parent: Any, tag: str) -> Iterator[Any]:
    for child in parent:
        if child.tag == W + tag:
            yield child
        elif child.tag in WRAPPERS:
            yield from inside(child, tag)


def cell_texts(cell: Any, *, sheet: Sheet) -> list[str]:
    """Return the text of a cell and an empty one for every further column that it spans."""
    text = " ".join(" ".join(block for block, _ in blocks_of(cell, sheet=sheet)).split())
    span = value_of(cell.find(f"{W}tcPr/{W}gridSpan"))
    return [text.lstrip("# "), *[""] * (min(int(span), 100) - 1 if span.isdecimal() else 0)]
