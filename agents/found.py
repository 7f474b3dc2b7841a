"""The passages that the calls of one turn have found: numbered on from call to call, so that each number is one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tools_app.citations import Renumbering

# A number in brackets with four digits would be a year.
MOST_PASSAGES = 999


class Found:
    def __init__(self, passages: Iterable[Mapping[str, Any]] = ()) -> None:
        self._passages: dict[int, dict[str, Any]] = {passage["number"]: dict(passage) for passage in passages}
        self._numbers = {_place(passage): number for number, passage in self._passages.items()}

    @property
    def numbers(self) -> Collection[int]:
        return self._passages.keys()

    def take(self, passages: Iterable[Mapping[str, Any]]) -> dict[int, int]:
        """Take the passages of one call in; its numbers, and what they are here. What is known keeps its number."""
        numbers: dict[int, int] = {}
        for passage in passages:
            place = _place(passage)
            if place not in self._numbers:
                if len(self._passages) == MOST_PASSAGES:
                    break
                self._numbers[place] = len(self._passages) + 1
                self._passages[self._numbers[place]] = {**passage, "number": self._numbers[place], "is_cited": False}
            numbers[passage["number"]] = self._numbers[place]
        return numbers

    def shown(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        return [self._passages[number] for number in sorted(set(numbers))]

    def cited(self, numbers: Collection[int]) -> list[dict[str, Any]]:
        """All of them, with whether the answer cites them."""
        return [{**passage, "is_cited": number in numbers} for number, passage in sorted(self._passages.items())]


def in_story(data: Mapping[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    """The data of a result with the numbers that its passages have in the turn, in its text as well."""
    told = dict(data)
    told["passages"] = [
        {**passage, "number": numbers[passage["number"]]}
        for passage in data.get("passages", ())
        if passage["number"] in numbers
    ]
    if isinstance(data.get("text"), str):
        writing = Renumbering(numbers)
        told["text"] = writing.feed(data["text"]) + writing.close()
    return told


def _place(passage: Mapping[str, Any]) -> tuple[Any, ...]:
    return (passage["document"]["id"], passage["start"], passage["end"], passage["content_hash"])
