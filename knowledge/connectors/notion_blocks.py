"""The blocks of a Notion page as Markdown.

Shapes: https://developers.notion.com/reference/block and https://developers.notion.com/reference/rich-text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Block = dict[str, Any]
Children = Callable[[str], Iterator[Block]]

HEADINGS = {"heading_1": "## ", "heading_2": "### ", "heading_3": "#### "}
ITEMS = {"bulleted_list_item": "- ", "numbered_list_item": "1. ", "toggle": "- "}
FILES = ("file", "pdf", "image", "video", "audio", "bookmark", "embed", "link_preview")
# Pages of their own, which the listing names.
PAGES = ("child_page", "child_database")
INDENT = "  "
MAX_DEPTH = 12


def markdown_of(page_id: str, *, children: Children) -> str:
    """Everything on a page, without the pages below it."""
    return "\n".join(lines_of(page_id, children=children, depth=0)).strip() + "\n"


def lines_of(parent: str, *, children: Children, depth: int) -> Iterator[str]:
    for block in children(parent):
        kind = str(block.get("type", ""))
        content = block.get(kind) or {}
        if kind == "table":
            yield from table_lines(block, children=children)
        elif kind not in PAGES:
            yield from block_lines(kind, content)
        if block.get("has_children") and kind not in ("table", *PAGES) and depth < MAX_DEPTH:
            nested = lines_of(str(source_of(block)), children=children, depth=depth + 1)
            yield from (INDENT + line if kind in (*ITEMS, "to_do") and line else line for line in nested)


def source_of(block: Block) -> str:
    """Where the children of a block stand; those of a synced copy stand at its original."""
    original = ((block.get("synced_block") or {}).get("synced_from") or {}).get("block_id")
    return str(original or block["id"])


def block_lines(kind: str, content: dict[str, Any]) -> Iterator[str]:
    text = plain(content.get("rich_text"))
    if kind in HEADINGS:
        yield from ("", HEADINGS[kind] + text, "")
    elif kind in ITEMS:
        yield ITEMS[kind] + text
    elif kind == "to_do":
        yield f"- [{'x' if content.get('checked') else ' '}] {text}"
    elif kind == "code":
        yield from ("", f"```{content.get('language', '')}", text, "```", "")
    elif kind in ("quote", "callout"):
        yield from ("", *(f"> {line}" for line in text.splitlines()), "")
    elif kind == "equation":
        yield from ("", f"$${content.get('expression', '')}$$", "")
    elif kind == "divider":
        yield from ("", "---", "")
    elif kind in FILES:
        yield from file_lines(content)
    elif text:
        yield from ("", text, "")


def file_lines(content: dict[str, Any]) -> Iterator[str]:
    """The name and caption of a file; its address ends within the hour, so only that of another host is kept."""
    address = content.get("url") or (content.get("external") or {}).get("url") or ""
    name = str(content.get("name") or plain(content.get("caption")) or address)
    if name:
        yield from ("", f"[{name}]({address})" if address else name, "")


def table_lines(table: Block, *, children: Children) -> Iterator[str]:
    rows = [(row.get("table_row") or {}).get("cells", []) for row in children(str(table["id"]))]
    yield ""
    for number, row in enumerate(rows):
        yield "| " + " | ".join(plain(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        if number == 0:
            yield "|" + " --- |" * len(row)
    yield ""


def plain(rich_text: Any) -> str:
    """Rich text with its links; bold and colours say nothing to a search."""
    return "".join(linked(part) for part in rich_text or [])


def linked(part: dict[str, Any]) -> str:
    text, address = str(part.get("plain_text", "")), str(part.get("href") or "")
    return f"[{text}]({address})" if address.startswith("http") and text.strip() else text


def properties_of(page: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of the properties that a row of a database shows, without its title and without files."""
    for name, value in (page.get("properties") or {}).items():
        kind = str(value.get("type", ""))
        if kind not in ("title", "files") and (shown := property_text(value.get(kind))):
            yield str(name), shown


def property_text(value: Any) -> str:
    if isinstance(value, list):
        if value and isinstance(value[0], dict) and "plain_text" in value[0]:
            return plain(value)
        return ", ".join(filter(None, map(property_text, value)))
    if isinstance(value, dict):
        # A status or choice has a name, a date a start, a person a name; a formula its own type again.
        inner = value.get("name") or value.get("start") or value.get(str(value.get("type", "")))
        return property_text(inner) if inner is not None else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def title_of(page: dict[str, Any]) -> str:
    for value in (page.get("properties") or {}).values():
        if value.get("type") == "title":
            return "".join(str(part.get("plain_text", "")) for part in value.get("title") or [])
    return ""
