"""Two versions side by side, in the words of their form: what was, what will be, word by word where it is a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from magnet.models.versions import Version

WORDS = re.compile(r"\w+|\s+|[^\w\s]")
# The matcher is quadratic; a longer text is shown as replaced.
MAX_WORDS = 6_000
# Texts with less in common are easier to read one after the other.
ALIKE = 0.5


@dataclass(frozen=True)
class Piece:
    """A stretch of a text: kept, taken out or put in."""

    kind: Literal["same", "out", "in"]
    text: str


@dataclass(frozen=True)
class Difference:
    """One setting that differs; `pieces` only for a long text."""

    label: str
    old: str
    new: str
    pieces: tuple[Piece, ...] = ()


InWords = Callable[[Any, str], str]


def differences(old: Version | None, new: Version, *, names: list[str], in_words: InWords) -> list[Difference]:
    """The settings that differ, in the order of the form; all of them when there was nothing before."""
    found = []
    for name in names:
        before = in_words(old, name) if old else ""
        after = in_words(new, name)
        if before != after:
            found.append(_difference(type(new), name, before, after))
    return found


def _difference(shape: type[Version], name: str, before: str, after: str) -> Difference:
    field = shape._meta.get_field(name)
    is_text = isinstance(field, models.TextField)
    pieces = word_pieces(before, after) if is_text and before else ()
    return Difference(str(capfirst(field.verbose_name)), before, after, pieces)  # type: ignore[union-attr]  # settings are no reverse relations


def setting_in_words(version: Any, name: str) -> str:
    """A setting as its form shows it: the label of a choice, the name of what it refers to."""
    field = version._meta.get_field(name)
    value = getattr(version, name)
    if field.choices:
        return str(getattr(version, f"get_{name}_display")())
    if value is None or value == "":
        return _("(empty)")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def word_pieces(old: str, new: str) -> tuple[Piece, ...]:
    """What stayed, went and came; nothing where the two have too little in common."""
    before, after = WORDS.findall(old), WORDS.findall(new)
    if len(before) > MAX_WORDS or len(after) > MAX_WORDS:
        return ()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return tuple(_pieces(matcher, before, after)) if matcher.ratio() >= ALIKE else ()


def _pieces(matcher: SequenceMatcher[str], before: list[str], after: list[str]) -> Iterator[Piece]:
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            yield Piece("same", "".join(before[a:b]))
            continue
        if b > a:
            yield Piece("out", "".join(before[a:b]))
        if d > c:
            yield Piece("in", "".join(after[c:d]))
