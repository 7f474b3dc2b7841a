"""The text of a SharePoint page, which stands in the web parts of its canvas.

Shapes: https://learn.microsoft.com/en-us/graph/api/resources/canvaslayout and …/resources/standardwebpart.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any


def html_of(page: dict[str, Any]) -> str:
    """What a page says, web part after web part, in the order of its sections."""
    return "".join(part for web_part in web_parts(page.get("canvasLayout") or {}) for part in texts_of(web_part))


def web_parts(canvas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for section in canvas.get("horizontalSections") or []:
        for column in section.get("columns") or []:
            yield from column.get("webparts") or []
    yield from (canvas.get("verticalSection") or {}).get("webparts") or []


def texts_of(web_part: dict[str, Any]) -> Iterator[str]:
    """The HTML of a text part; of other parts what SharePoint itself puts into its search."""
    if inner := web_part.get("innerHtml"):
        yield f"<div>{inner}</div>"
    data = web_part.get("data") or {}
    content = data.get("serverProcessedContent") or {}
    if data.get("title") and content.get("searchablePlainTexts"):
        yield f"<h2>{html.escape(str(data['title']))}</h2>"
    yield from (f"<p>{html.escape(str(text['value']))}</p>" for text in content.get("searchablePlainTexts") or [])
    yield from (f"<div>{text['value']}</div>" for text in content.get("htmlStrings") or [])
