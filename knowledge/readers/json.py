"""JSON: names and values as lines that can be read and found, a section for each record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import decode
from knowledge.readers.refusal import MAX_TEXT_CHARACTERS, too_long, unreadable

# What a record is called, if it says so itself.
NAMES = ("title", "name", "question", "subject", "label", "id", "key")
MAX_HEADING_LEVEL = 4
MAX_NAME_CHARACTERS = 120
MAX_DEPTH = 100


class JsonReader(Reader):
    label: ClassVar[str] = "JSON"
    media_types: ClassVar[tuple[str, ...]] = (
        "application/json",
        "application/ld+json",
        "application/x-ndjson",
        "application/jsonl",
    )
    extensions: ClassVar[tuple[str, ...]] = (".json", ".jsonl", ".ndjson")

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        text = decode(body, filename=filename)
        try:
            value = json.loads(text)
        except ValueError as error:
            value = rows_of(text, error=error, filename=filename)
        except RecursionError as error:
            raise too_deep(filename) from error
        parts, length = [], 0
        for part in sections(value, path=(), filename=filename):
            length += len(part) + 2
            # A name is repeated in front of every value below it.
            if length > MAX_TEXT_CHARACTERS:
                raise too_long(filename)
            parts.append(part)
        title = name_of(value) if isinstance(value, dict) else ""
        return Extract(text="\n\n".join(parts), title=title)


def too_deep(filename: str) -> Exception:
    return unreadable(filename, f"is nested more than {MAX_DEPTH} levels deep. Write it as flat records.")


def rows_of(text: str, *, error: ValueError, filename: str) -> list[Any]:
    """The records of a file with one on each line; `error` tells what is wrong with it as one value."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    rows = []
    for number, line in lines:
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as wrong:
            # Where already the first line is no value, it was never meant to have one on each line.
            told = f"line {number} cannot be read ({wrong})" if rows else str(error)
            raise unreadable(filename, f"is not valid JSON: {told}. Correct it and upload it again.") from wrong
    return rows


def sections(value: Any, *, path: tuple[str, ...], filename: str) -> Iterator[str]:
    """Yield the blocks below a heading path: plain values first, then what is nested, each under its heading."""
    if len(path) > MAX_DEPTH:
        raise too_deep(filename)
    if isinstance(value, dict):
        if lines := [f"{name}: {plain(item)}" for name, item in value.items() if is_plain(item) and plain(item)]:
            yield "\n".join(lines)
        named = [(str(name), item) for name, item in value.items() if not is_plain(item)]
    elif is_plain(value):
        yield from filter(None, [plain(value)])
        return
    else:
        named = [(name_of(item) or f"Row {number}", item) for number, item in enumerate(value, start=1)]
    for name, item in named:
        yield heading(name, path=path)
        yield from sections(item, path=(*path, name), filename=filename)


def heading(name: str, *, path: tuple[str, ...]) -> str:
    level = len(path) + 2
    if level <= MAX_HEADING_LEVEL:
        return f"{'#' * level} {name}"
    # Deeper levels tell where they stand in words.
    return f"{' › '.join((*path[MAX_HEADING_LEVEL - 2 :], name))}:"


def name_of(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    found = (value.get(name) for name in NAMES)
    name = next((text for item in found if is_plain(item) and not isinstance(item, list) and (text := plain(item))), "")
    return " ".join(name.split())[:MAX_NAME_CHARACTERS]


def is_plain(value: Any) -> bool:
    """Say whether a value fits on a line: no object, and no list of objects or lists."""
    if isinstance(value, list):
        return not any(isinstance(item, list | dict) for item in value)
    return not isinstance(value, dict)


def plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(filter(None, map(plain, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value).strip()
