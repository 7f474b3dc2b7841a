"""Markdown: kept as it is, but for what only a machine reads (front matter, comments, embedded pictures)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import decode

FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<fields>(?:[^\n]*\n){0,100}?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
FIELD = re.compile(r"^([A-Za-z][\w-]{0,60}):[ \t]+(\S[^\n]{0,500})$", re.MULTILINE)
FENCED = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}(?P=fence)[^\n]*$|\Z)", re.MULTILINE | re.DOTALL
)
# A picture may be embedded as a megabyte of base64; what it shows is in its description.
PICTURE = re.compile(r"!\[([^\]\n]{0,500})\]\([^()\n]*\)")
# One that stands alone leaves its description as a caption, which nobody takes for a sentence of the text.
PICTURE_ALONE = re.compile(r"^ {0,3}!\[([^\]\n*_]{1,500})\]\([^()\n]*\)[ \t]*$", re.MULTILINE)
UNDERLINED_HEADING = re.compile(
    r"^(?P<text> {0,3}[^\s#>|`~*+\-=][^\n]{0,200})\n(?P<line>=+|-{2,})[ \t]*$", re.MULTILINE
)
FIRST_HEADING = re.compile(r"^#[ \t]+(\S[^\n]{0,300}?)[ \t#]*$", re.MULTILINE)


class MarkdownReader(Reader):
    label: ClassVar[str] = "Markdown"
    media_types: ClassVar[tuple[str, ...]] = ("text/markdown", "text/x-markdown")
    extensions: ClassVar[tuple[str, ...]] = (".md", ".markdown", ".mdx")

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        text = decode(body, filename=filename)
        fields: dict[str, str] = {}
        if front_matter := FRONT_MATTER.match(text):
            fields = {name.lower(): value.strip("\"' ") for name, value in FIELD.findall(front_matter["fields"])}
            text = text[front_matter.end() :]
        text = outside_code(text, simplify).strip()
        title = fields.pop("title", "") or first_heading(text)
        return Extract(text=text, title=title, metadata=fields)


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change everything but fenced code, which is quoted exactly."""
    parts, position = [], 0
    for code in FENCED.finditer(text):
        parts += [change(text[position : code.start()]), code.group()]
        position = code.end()
    return "".join([*parts, change(text[position:])])


def simplify(text: str) -> str:
    text = PICTURE_ALONE.sub(r"*\1*", without_comments(text))
    text = PICTURE.sub(r"\1", text)
    return UNDERLINED_HEADING.sub(
        lambda match: f"{'#' if match['line'][0] == '=' else '##'} {match['text'].strip()}", text
    )


def without_comments(text: str) -> str:
    """Drop closed comments; by finding, because a pattern would look for the end once for every "<!--"."""
    kept, position = [], 0
    while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[position:start])
        position = end + len("-->")
    return "".join([*kept, text[position:]])


def first_heading(text: str) -> str:
    """Return the text of the first heading of the highest level."""
    heading = FIRST_HEADING.search(FENCED.sub("", text))
    return heading[1] if heading else ""
