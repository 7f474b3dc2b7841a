"""One element of a web page as Markdown: headings, paragraphs, lists, tables, quotes and code."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
BLOCK_SELECTOR = (
    "address,article,aside,blockquote,body,center,dd,details,div,dl,dt,fieldset,figcaption,figure,footer,form,"
    "h1,h2,h3,h4,h5,h6,header,hgroup,hr,legend,li,main,ol,p,pre,section,summary,table,tbody,td,tfoot,th,thead,tr,ul"
)
BLOCKS = frozenset(BLOCK_SELECTOR.split(","))
LANGUAGE_CLASS = re.compile(r"(?:^|\s)(?:language|lang|highlight-source)-([\w+#-]{1,20})")


def markdown_of(element: LexborNode, *, without: Collection[int] = frozenset()) -> str:
    """Write `element` as Markdown, leaving out the elements whose `mem_id` is in `without`."""
    return "\n\n".join(blocks_of(element, without))


def blocks_of(element: LexborNode, without: Collection[int]) -> Iterator[str]:
    """Yield the blocks inside `element`; loose text between them makes paragraphs of its own."""
    loose: list[str] = []
    for child in element.iter(include_text=True):
        if child.tag not in BLOCKS and not holds_blocks(child):
            loose.append(inline(child, without))
            continue
        yield from paragraph(loose)
        loose = []
        if child.mem_id not in without:
            yield from block(child, without)
    yield from paragraph(loose)


def holds_blocks(element: LexborNode) -> bool:
    """Say whether something that should be part of a line, such as a link, has whole paragraphs inside."""
    return element.tag not in {"-text", "-comment", "br", "code"} and element.css_first(BLOCK_SELECTOR) is not None


def paragraph(parts: list[str]) -> Iterator[str]:
    # A space stands for any white space of the source; a "\n" in a part is a <br>.
    lines = [" ".join(line.split()) for line in "".join(parts).split("\n")]
    if text := "\n".join(filter(None, lines)):
        yield text


def inline(element: LexborNode, without: Collection[int]) -> str:
    """Return the text of something that is part of a line."""
    if element.tag == "-text":
        return re.sub(r"\s", " ", element.text_content or "")
    if element.tag == "br":
        return "\n"
    if element.tag == "-comment" or element.mem_id in without:
        return ""
    text = "".join(inline(child, without) for child in element.iter(include_text=True))
    if element.tag == "code" and text.strip() and "`" not in text:
        return f"`{text}`"
    return text


def block(element: LexborNode, without: Collection[int]) -> Iterator[str]:
    tag = element.tag
    if tag in HEADINGS:
        if text := one_line(element, without):
            yield f"{HEADINGS[tag]} {text}"
    elif tag in {"ul", "ol"}:
        yield from bullet_list(element, without)
    elif tag == "table":
        yield from table(element, without)
    elif tag == "pre":
        yield from code(element)
    elif tag == "blockquote":
        quoted = markdown_of(element, without=without)
        if quoted:
            yield "\n".join(f"> {line}".rstrip() for line in quoted.split("\n"))
    else:
        yield from blocks_of(element, without)


def one_line(element: LexborNode, without: Collection[int]) -> str:
    return " ".join(markdown_of(element, without=without).split())


def bullet_list(element: LexborNode, without: Collection[int]) -> Iterator[str]:
    items: list[str] = []
    for child in element.iter():
        text = "" if child.mem_id in without else "\n".join(block_or_line(child, without))
        if not text:
            continue
        marker = f"{len(items) + 1}. " if element.tag == "ol" else "- "
        items.append(marker + text.replace("\n", "\n" + " " * len(marker)))
    if items:
        yield "\n".join(items)


def block_or_line(child: LexborNode, without: Collection[int]) -> Iterator[str]:
    """Take an item of a list; old pages put lists into lists without an item around them."""
    return block(child, without) if child.tag in {"ul", "ol"} else blocks_of(child, without)


def table(element: LexborNode, without: Collection[int]) -> Iterator[str]:
    """Write a table of data as a Markdown table; a table that only arranges the page is read cell by cell."""
    rows = [[cell for cell in row.iter() if cell.tag in {"td", "th"}] for row in element.css("tr")]
    rows = [row for row in rows if row]
    if element.css_first("table table, td h1, td h2, td h3") or max(map(len, rows), default=0) < 2:
        yield from blocks_of(element, without)
        return
    if caption := element.css_first("caption"):
        yield from filter(None, [one_line(caption, without)])
    yield markdown_table([[one_line(cell, without) for cell in row] for row in rows])


def markdown_table(rows: list[list[str]]) -> str:
    """Write rows of cells as a Markdown table whose first row is the header."""
    width = max(map(len, rows))
    lines = []
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        lines.append(f"| {' | '.join(cells + [''] * (width - len(cells)))} |")
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def code(element: LexborNode) -> Iterator[str]:
    text = element.text().strip("\n")
    if not text.strip():
        return
    inner = element.css_first("code")
    classes = f"{element.attributes.get('class') or ''} {(inner.attributes.get('class') or '') if inner else ''}"
    language = LANGUAGE_CLASS.search(classes)
    fence = "~~~" if "```" in text else "```"
    yield f"{fence}{language[1] if language else ''}\n{text}\n{fence}"
