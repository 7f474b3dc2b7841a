"""The numbers in an answer: only those of passages that were handed to the model reach the caller.

Models write [1], [2, 3], [1-3], [^1], [[1]], 【1†source】 or [passage 1]; callers always get [1] or [2][3].
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

# No marker is longer than this, so nothing is held back for longer.
MAX_MARKER_CHARACTERS = 400

# Possessive throughout: a long list that turns out to be no marker must not be tried in every way there is.
SPACE = r"[^\S\n]*+"
NAME = r"(?:\^|(?:passages?|sources?|documents?|docs?|refs?)[ .:#]*+)?+"
# Four digits in brackets are a year; nobody hands a thousand passages to a model.
NUMBER = rf"{NAME}{SPACE}\d{{1,3}}(?!\d)"
BETWEEN = rf"{SPACE}(?:,|;|&|\band\b|-|–|—){SPACE}"
# 【4:0†source】 is how some models were taught to cite: the first number counts.
ORIGIN = r"(?::\d+)?(?:†[^\[\]【】［］\n]*)?"
INSIDE = rf"{SPACE}{NUMBER}(?:{BETWEEN}{NUMBER})*+{ORIGIN}{SPACE},?{SPACE}"
MARKER = re.compile(rf"\[\[{INSIDE}\]\]|\[{INSIDE}\]|【{INSIDE}】|［{INSIDE}］", re.IGNORECASE)
# Whatever may yet become a marker when more text comes, and little else: a held back link is a slow answer.
BEGUN = rf"{SPACE}(?:\^|[^\W\d_]{{0,9}}[ .:#]*)?{SPACE}(?:\d(?:[\w^,;&#.:–—-]|[^\S\n])*(?:†[^\[\]【】［］\n]*)?)?"
BEGINNING = re.compile(rf"\[\[{BEGUN}\]?|[\[【［]{BEGUN}", re.IGNORECASE)
RANGE = re.compile(r"(\d+)(?:\s*[-–—]\s*(\d+))?")
CHECKED = re.compile(r"((?:\[\d{1,3}\])+)")
# The next thing to decide about: spaces with the bracket behind them, a run of backticks, a line's end.
TURN = re.compile(r"[ \t]*[\[【［]|`+|\n|[ \t]+\Z")
BRACKET = re.compile(r"[\[【［]")
# In code, a bracket directly after a name or after an operator is an index or a list.
OPERATORS = frozenset("=:,([{<>+-*/|&\"'")


class CitationFilter:
    """Checks a stream of text: feed it the parts, send on what it returns, close it at the end.

    The text that comes out does not depend on how the stream was cut. `cited` holds the numbers that were kept and
    `invented` those that were taken out.
    """

    def __init__(self, numbers: Collection[int]) -> None:
        self.numbers = frozenset(numbers)
        self.cited: set[int] = set()
        self.invented: set[int] = set()
        self._held = ""
        # The last character that was passed on, spaces aside, and whether spaces came after it.
        self._last, self._has_space_since = "\n", False
        self._code_fence = ""
        self._drops_spaces = False

    def feed(self, text: str) -> str:
        self._held += text
        return self._checked(is_end=False)

    def close(self) -> str:
        """What was held back because it might have become a marker."""
        return self._checked(is_end=True)

    def shown(self, number: int) -> int:
        """The number that stands in the text in place of `number`."""
        return number

    def _checked(self, *, is_end: bool) -> str:
        text, self._held = self._held, ""
        passed: list[str] = []
        position = 0
        while position < len(text):
            turn = TURN.search(text, position)
            if turn is None:
                passed.append(self._pass_on(text[position:]))
                break
            passed.append(self._pass_on(text[position : turn.start()]))
            taken = self._take(text, turn, is_end=is_end)
            if taken is None:
                self._held = text[turn.start() :]
                break
            part, position = taken
            passed.append(part)
        return "".join(passed)

    def _take(self, text: str, turn: re.Match[str], *, is_end: bool) -> tuple[str, int] | None:
        """What to pass on for this turn and where to go on; None while more text could change the decision."""
        found = turn[0]
        if found[-1] in "[【［":
            return self._take_bracket(text, turn, is_end=is_end)
        if not is_end and turn.end() == len(text) and found != "\n":
            return None
        if found[0] == "`":
            self._take_backticks(found)
        elif found == "\n" and len(self._code_fence) < 3:
            # A backtick that nobody closes must not switch the checking off for the rest of the answer.
            self._code_fence = ""
        return self._pass_on(found), turn.end()

    def _take_bracket(self, text: str, turn: re.Match[str], *, is_end: bool) -> tuple[str, int] | None:
        start = turn.end() - 1
        spaces = text[turn.start() : start]
        window = text[start : start + MAX_MARKER_CHARACTERS]
        marker = MARKER.match(window)
        if marker is None:
            is_open = BEGINNING.fullmatch(window) is not None and len(window) < MAX_MARKER_CHARACTERS
            if is_open and not is_end:
                return None
            return self._pass_on(spaces + text[start]), start + 1
        if self._is_code(spaces):
            return self._pass_on(spaces + marker[0]), start + marker.end()
        return self._numbered(marker[0], spaces=spaces), start + marker.end()

    def _take_backticks(self, run: str) -> None:
        if not self._code_fence:
            self._code_fence = run
        elif self._code_fence == run:
            self._code_fence = ""

    def _is_code(self, spaces: str) -> bool:
        if not self._code_fence:
            return False
        is_adjacent = not spaces and not self._has_space_since
        is_after_name = is_adjacent and (self._last.isalnum() or self._last in "_)]")
        return is_after_name or self._last in OPERATORS

    def _numbered(self, marker: str, *, spaces: str) -> str:
        wanted = list(dict.fromkeys(numbers_in(marker, known=self.numbers)))
        kept = [number for number in wanted if number in self.numbers]
        self.cited.update(kept)
        self.invented.update(number for number in wanted if number not in self.numbers)
        if kept:
            return self._pass_on(spaces + "".join(f"[{self.shown(number)}]" for number in kept))
        # The space before it goes as well; at the beginning of a line, the one after it.
        self._drops_spaces = self._last == "\n"
        return ""

    def _pass_on(self, text: str) -> str:
        if self._drops_spaces and text:
            text = text.lstrip(" \t")
            self._drops_spaces = not text
        stripped = text.rstrip(" \t")
        if stripped:
            self._last, self._has_space_since = stripped[-1], len(stripped) < len(text)
        elif text:
            self._has_space_since = True
        return text


def numbers_in(marker: str, *, known: Collection[int]) -> Iterable[int]:
    """The numbers that a marker names, in its order; of a range, the known ones and its ends."""
    for match in RANGE.finditer(re.sub(r"†.*|:\d+", "", marker)):
        first, last = int(match[1]), int(match[2] or match[1])
        yield first
        # A model may write [1-999999999].
        yield from sorted(number for number in known if first < number < last)
        yield last


def check(text: str, *, numbers: Collection[int]) -> tuple[str, frozenset[int], frozenset[int]]:
    """The text of a whole answer with checked numbers, the cited numbers, and the invented ones."""
    checking = CitationFilter(numbers)
    checked = checking.feed(text) + checking.close()
    return checked, frozenset(checking.cited), frozenset(checking.invented)


def said_from(text: str, *, number: int) -> list[str]:
    """What a checked answer says with this number behind it: since the marker before."""
    said: list[str] = []
    parts = CHECKED.split(text)
    for before, markers in zip(parts[::2], parts[1::2], strict=False):
        if f"[{number}]" in markers:
            said.append(before.strip())
    return [part for part in said if part]


class Renumbering(CitationFilter):
    """Writes the numbers of one answer as those of a longer story that it becomes a part of."""

    def __init__(self, numbers: Mapping[int, int]) -> None:
        super().__init__(numbers)
        self._in_story = numbers

    def shown(self, number: int) -> int:
        return self._in_story[number]


class _WithoutMarkers(CitationFilter):
    def _numbered(self, marker: str, *, spaces: str) -> str:
        return self._pass_on(f"{spaces}({marker.strip('[]【】［］').strip()})")


def without_markers(text: str) -> str:
    """A document's text, whose own [1] nobody may take for a citation: it becomes (1)."""
    if BRACKET.search(text) is None:
        return text
    writing = _WithoutMarkers(())
    return writing.feed(text) + writing.close()
