"""Cuts passages of Markdown into what can be quoted: sentences, list items, whole short lists, table rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

FENCE = re.compile(r"^\s*(```|~~~)")
HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*$")
UNDERLINE = re.compile(r"^\s*(=+|-{3,})\s*$")
ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+(.*)$")
TABLE_ROW = re.compile(r"^\s*\|.*\|\s*$")
TABLE_RULE = re.compile(r"^\s*\|?[\s:|-]+\|[\s:|-]*$")
# What stands below a picture or a table: a line in italics that is no sentence.
CAPTION = re.compile(r"^\s*([*_])(?![*_\s])[^*_]*[^*_.!?。]\1\s*$")
# A sentence ends with its mark and closing quotes; the scripts without spaces need none after it.
END = re.compile(r"[.!?…؟۔।]+[\"'”’»)\]]*(?=\s)|[。！？｡]+[」』”’）]*")
# A full stop after these, or after a single letter, does not end a sentence.
ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof st vs etc e.g i.e cf no nr vol fig inc ltd co corp dept approx ca z.b d.h u.a bzw usw
    jan feb mar apr jun jul aug sep sept oct nov dec gen col lt sgt rev hon jr sr mt ft
    """.split()  # noqa: SIM905 (a list of quoted words would be three times as long)
)
STOPS = (".", "!", "?", "。")
MAX_LIST_CHARACTERS = 700
MAX_SENTENCE_CHARACTERS = 600


@dataclass(frozen=True)
class Quotable:
    """A piece that can stand alone. `about` is what stands above it: its heading, or the question it answers."""

    text: str
    about: str = ""
    is_block: bool = False

    @property
    def meaning(self) -> str:
        """What it says to somebody who asks: an answer is understood together with its question."""
        return f"{self.about} {self.text}" if is_question(self.about) else self.text


@dataclass(frozen=True)
class Block:
    kind: str
    lines: tuple[str, ...]


def quotables(markdown: str) -> list[Quotable]:
    """The quotable pieces in their order. Headings, captions and code are not quoted; nor is a broken table row."""
    found: list[Quotable] = []
    heading = introduction = ""
    for block in blocks(markdown):
        if block.kind == "heading":
            heading, introduction = block.lines[0], ""
            continue
        if block.kind == "list":
            found += from_list(block, introduction=introduction, about=heading)
        elif block.kind == "table":
            found += from_table(block, about=heading)
        pieces = from_paragraph(block, about=heading) if block.kind == "paragraph" else []
        introduction = pieces.pop().text if pieces and pieces[-1].text.endswith((":", "：")) else ""
        found += pieces
    return found


def blocks(markdown: str) -> Iterator[Block]:
    """Runs of lines of one kind: paragraph, list, table, heading; code is dropped."""
    kind, lines, is_code = "", list[str](), False
    for line in [*markdown.splitlines(), ""]:
        if FENCE.match(line):
            is_code = not is_code
        found = "" if is_code or FENCE.match(line) else kind_of(line, previous=kind)
        if UNDERLINE.match(line) and kind == "paragraph" and len(lines) == 1:
            found, kind = "", "heading"
        if lines and (found != kind or found == "heading"):
            yield Block(kind, tuple(lines))
            lines = []
        kind = found
        if kind:
            lines.append(HEADING.sub(r"\1", line) if kind == "heading" else line)


def kind_of(line: str, *, previous: str) -> str:
    if not line.strip() or (CAPTION.match(line) and not previous):
        return ""
    if HEADING.match(line):
        return "heading"
    if TABLE_ROW.match(line) or (TABLE_RULE.match(line) and previous == "table"):
        return "table"
    if ITEM.match(line) or (previous == "list" and line.startswith("  ")):
        return "list"
    return "paragraph"


def from_paragraph(block: Block, *, about: str) -> list[Quotable]:
    """Its sentences. What follows a question is about that question."""
    found: list[Quotable] = []
    for sentence in sentences(" ".join(line.strip().lstrip("> ") for line in block.lines)):
        if is_question(sentence):
            about = sentence
            continue
        found.append(Quotable(sentence, about))
    return found


def from_list(block: Block, *, introduction: str, about: str) -> list[Quotable]:
    """Steps under "To do so:" belong together, when they are few; other items stand alone."""
    whole = "\n".join(line.rstrip() for line in block.lines)
    if introduction and len(whole) <= MAX_LIST_CHARACTERS:
        return [Quotable(f"{introduction}\n{whole}", about, is_block=True)]
    items: list[str] = []
    for line in block.lines:
        match = ITEM.match(line)
        if match:
            items.append(match[1].strip())
        elif items:
            items[-1] += " " + line.strip()
    above = f"{about} {introduction}".strip()
    return [Quotable(sentence, above) for item in items for sentence in sentences(item)]


def from_table(block: Block, *, about: str) -> list[Quotable]:
    """Rows told with their column's names. Without a header row nobody could read them."""
    if len(block.lines) < 3 or not TABLE_RULE.match(block.lines[1]):
        return []
    names, *rows = [cells(line) for line in (block.lines[0], *block.lines[2:])]
    told = (
        "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, row, strict=True) if cell)
        for row in rows
        if len(row) == len(names)
    )
    return [Quotable(row if row.endswith(STOPS) else f"{row}.", about) for row in told if row]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def is_question(text: str) -> bool:
    return text.endswith(("?", "？", "؟"))


def sentences(text: str) -> list[str]:
    """The sentences of running text, in any script; one without an end is cut at a word."""
    found, start = list[str](), 0
    for match in END.finditer(text):
        if not ends_sentence(text, match):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    found.append(text[start:].strip())
    return [short for sentence in found if sentence for short in [shortened(sentence)] if short]


def ends_sentence(text: str, match: re.Match[str]) -> bool:
    if match.end() >= len(text):
        return True
    if text[match.end() :].lstrip()[:1].islower():
        return False
    before = text[: match.start()].rsplit(None, 1)[-1:] or [""]
    word = before[0].lstrip("\"'“‘«([").lower()
    is_initial = len(word) == 1 and word.isalpha()
    is_abbreviation = word in ABBREVIATIONS or re.fullmatch(r"(?:[a-z]\.)+[a-z]", word) is not None
    return text[match.start()] != "." or not (is_initial or is_abbreviation)


def shortened(sentence: str) -> str:
    if len(sentence) <= MAX_SENTENCE_CHARACTERS:
        return sentence
    cut = sentence[:MAX_SENTENCE_CHARACTERS]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut) + " …"
