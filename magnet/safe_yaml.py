"""Reads YAML from outside without trusting it: size, depth and aliases have limits, and objects are never made.

Own code over libyaml's events rather than a loader: the usual ones build a tree of nodes first, which takes four times
the memory, and expand aliases without counting.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from magnet.errors import InvalidInput

# With everything that aliases repeat. The largest public documents have half a million.
MOST_PARTS = 3_000_000
DEEPEST = 200
CHARACTERS_OF_A_PART = 50
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
STANDARD_TAG = "tag:yaml.org,2002:"
MERGE_KEY = "<<"


def read(text: str, *, most_parts: int = MOST_PARTS, allows_doubles: bool = False) -> Any:
    """What a YAML document says. Raises InvalidInput for what is not valid, too large or too deep.

    With `allows_doubles`, the last of several values under one key counts, as in the files of some makers.
    """
    import yaml  # Only here, and only when a document comes.

    try:
        return _Builder(most_parts, allows_doubles=allows_doubles).build(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        place = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidInput(f"The document is not valid YAML: {error.problem}{place}.") from error
    except yaml.YAMLError as error:
        raise InvalidInput("The document holds characters that YAML does not allow.") from error


@dataclass
class _Open:
    """A mapping or sequence whose end has not come; `key` waits for its value."""

    value: Any
    anchor: str | None
    began_at: int
    key: str | None = None
    takes_key: bool = field(default=False)
    # Without those that are merged in, which its own replace.
    own_keys: set[str] = field(default_factory=set)


class _Builder:
    """Values from YAML's events; an alias is the same object again, and counts as often as it is used."""

    def __init__(self, most_parts: int, *, allows_doubles: bool) -> None:
        self.most_parts, self.allows_doubles = most_parts, allows_doubles
        self.documents = 0
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.parts = 0
        self.root: Any = None

    def build(self, events: Iterator[Any]) -> Any:
        for event in events:
            # By name: the classes are the library's, which is imported late.
            take = getattr(self, f"take_{type(event).__name__}", None)
            if take is not None:
                take(event)
        return self.root

    def take_DocumentStartEvent(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            raise InvalidInput("The file holds several YAML documents, parted by ---. Send one of them.")

    def take_ScalarEvent(self, event: Any) -> None:
        # Long texts count for more: an alias to one of them is cheap to keep, and dear once it is written out.
        weight = 1 + len(event.value) // CHARACTERS_OF_A_PART
        self.count(weight)
        value = scalar(event.value, tag=event.tag, is_plain=event.implicit[0])
        if event.anchor:
            self.anchors[event.anchor] = (value, weight)
        self.put(value, is_merge=event.value == MERGE_KEY and event.implicit[0])

    def take_AliasEvent(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            raise InvalidInput(f"The document uses the alias *{event.anchor} before or inside of what it stands for.")
        value, parts = self.anchors[event.anchor]
        self.count(parts)
        self.put(value)

    def take_MappingStartEvent(self, event: Any) -> None:
        self.open({}, event)

    def take_SequenceStartEvent(self, event: Any) -> None:
        self.open([], event)

    def open(self, value: Any, event: Any) -> None:
        refuse_tag(event.tag)
        if len(self.stack) >= DEEPEST:
            raise InvalidInput(f"The document is nested deeper than {DEEPEST} levels.")
        self.count(1)
        self.stack.append(_Open(value, event.anchor, self.parts, takes_key=isinstance(value, dict)))

    def take_MappingEndEvent(self, event: Any) -> None:
        ended = self.stack.pop()
        if ended.anchor:
            self.anchors[ended.anchor] = (ended.value, self.parts - ended.began_at + 1)
        self.put(ended.value)

    take_SequenceEndEvent = take_MappingEndEvent

    def put(self, value: Any, *, is_merge: bool = False) -> None:
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if not isinstance(top.value, dict):
            top.value.append(value)
        elif top.takes_key:
            top.key, top.takes_key = (MERGE_KEY if is_merge else key_text(value)), False
            if not self.allows_doubles and top.key in top.own_keys:
                raise InvalidInput(f"The document says “{top.key[:80]}” twice in one place. Keep one of both.")
            top.own_keys.add(top.key)
        else:
            store(top, value)
            top.takes_key = True

    def count(self, parts: int) -> None:
        self.parts += parts
        if self.parts > self.most_parts:
            raise InvalidInput(
                f"With what its aliases repeat, the document has more than {self.most_parts:,} parts, "
                "so it is not read."
            )


def store(top: _Open, value: Any) -> None:
    if top.key != MERGE_KEY:
        top.value[top.key] = value
        return
    for merged in value if isinstance(value, list) else [value]:
        if isinstance(merged, dict):
            for key, inner in merged.items():
                top.value.setdefault(key, inner)


def key_text(value: Any) -> str:
    """Keys are texts, as in JSON; YAML reads a status such as 200 as a number."""
    if isinstance(value, dict | list):
        raise InvalidInput("The document has a mapping or a list as a key; keys are texts.")
    return value if isinstance(value, str) else json.dumps(value)


def scalar(text: str, *, tag: str | None, is_plain: bool) -> Any:
    """As YAML 1.2 reads it: dates stay texts, and so does `no`."""
    refuse_tag(tag)
    if not is_plain or tag == f"{STANDARD_TAG}str":
        return text
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text[:1] not in "+-.0123456789":
        return text
    if INTEGER.match(text) and len(text) < 300:
        return int(text)
    return finite(text) if FLOAT.match(text) and len(text) < 300 else text


def finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidInput(f"The document holds {text[:40]}, a number that is not finite.")
    return number


def refuse_tag(tag: str | None) -> None:
    if tag and (not tag.startswith(STANDARD_TAG) or "python" in tag):
        raise InvalidInput(f"The document asks for an object of the kind {tag[:80]}, which is never made.")
