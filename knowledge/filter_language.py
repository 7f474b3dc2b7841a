"""The language of metadata filters: JSON, read within limits into comparisons of fields and combinations of them.

    {"department": "sales"}                                   the same as {"department": {"eq": "sales"}}
    {"year": {"gte": 2020, "lt": 2024}}                       all of them hold
    {"and": [...]}  {"or": [...]}  {"not": {...}}             nested up to 20 deep

A field is a key of the document's typed metadata (`IndexedDocument.fields`), or one of the document's own: remote_id,
title, url, media_type, language. `metadata.title` is the key `title` of the metadata.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from magnet.errors import InvalidInput

MAX_DEPTH = 20
MAX_VALUES = 1_000
MAX_FIELD_CHARACTERS = 200
OWN_FIELDS = ("remote_id", "title", "url", "media_type", "language")
OPERATORS = ("eq", "ne", "in", "gt", "gte", "lt", "lte", "exists", "contains")
ORDERINGS = ("gt", "gte", "lt", "lte")
COMBINATIONS = ("and", "or", "not")
SURROGATE = re.compile("[\ud800-\udfff]")

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Comparison:
    """One field against one value; for `in` the value is a tuple."""

    field: str
    is_metadata: bool
    operator: str
    value: Any

    @property
    def values(self) -> tuple[Scalar, ...]:
        return self.value if self.operator == "in" else (self.value,)


@dataclass(frozen=True)
class Combination:
    """`and`, `or` or `not` over other nodes; `not` means that not all of them hold."""

    kind: str
    nodes: tuple[Node, ...]


Node = Comparison | Combination


def parse(given: Any) -> Combination:
    """Raises InvalidInput, which names what is wrong and lists what is allowed."""
    return Reader().all_of(given, depth=1)


def comparisons(node: Node) -> Iterator[Comparison]:
    if isinstance(node, Comparison):
        yield node
        return
    for inner in node.nodes:
        yield from comparisons(inner)


class Reader:
    """Stops at the first value too many, so that a filter of any size is refused at once."""

    def __init__(self) -> None:
        self.values_left = MAX_VALUES

    def all_of(self, given: Any, *, depth: int) -> Combination:
        if not isinstance(given, Mapping):
            raise InvalidInput('The filter must be a JSON object such as {"department": "sales"}.')
        if depth > MAX_DEPTH:
            raise InvalidInput(f"The filter is nested more than {MAX_DEPTH} deep. Write it flatter.")
        if not given:
            self._count(1)
        nodes: list[Node] = []
        for key, value in given.items():
            if key in COMBINATIONS:
                nodes.append(self._combination(key, value, depth=depth))
            else:
                nodes += self._comparisons(key, value)
        return Combination("and", tuple(nodes))

    def _combination(self, kind: str, given: Any, *, depth: int) -> Combination:
        if kind == "not" and isinstance(given, Mapping):
            given = [given]
        if not isinstance(given, list) or not given:
            raise InvalidInput(f"“{kind}” in the filter takes a list of filters that is not empty.")
        return Combination(kind, tuple(self.all_of(item, depth=depth + 1) for item in given))

    def _comparisons(self, key: Any, given: Any) -> list[Node]:
        if not isinstance(key, str) or not key or len(key) > MAX_FIELD_CHARACTERS or not is_storable(key):
            raise InvalidInput(f"A field of the filter has a name of 1 to {MAX_FIELD_CHARACTERS} characters.")
        field, is_metadata = key.removeprefix("metadata."), key not in OWN_FIELDS
        if not isinstance(given, Mapping):
            given = {"eq": given}
        if not given:
            raise InvalidInput(
                f"The filter on “{key}” is empty. Use one of: {', '.join(OPERATORS)}.", allowed=OPERATORS
            )
        return [Comparison(field, is_metadata, name, self._checked(key, name, value)) for name, value in given.items()]

    def _checked(self, field: str, operator: Any, value: Any) -> Any:
        if operator not in OPERATORS:
            raise InvalidInput(
                f"The filter on “{field}” does not know “{str(operator)[:50]}”. Use one of: {', '.join(OPERATORS)}.",
                allowed=list(OPERATORS),
            )
        if operator == "in":
            if not isinstance(value, list) or not value:
                raise InvalidInput(f"“in” on “{field}” takes a list of values that is not empty.")
            self._count(len(value))
            return tuple(_scalar(field, item) for item in value)
        self._count(1)
        if operator == "exists" and not isinstance(value, bool):
            raise InvalidInput(f"“exists” on “{field}” takes true or false.")
        if operator in ORDERINGS and (isinstance(value, bool) or not isinstance(value, int | float | str)):
            raise InvalidInput(f"“{operator}” on “{field}” takes a number or a text, such as a date 2024-05-31.")
        return _scalar(field, value)

    def _count(self, values: int) -> None:
        self.values_left -= values
        if self.values_left < 0:
            raise InvalidInput(f"The filter holds more than {MAX_VALUES} values. Ask with fewer.")


def _scalar(field: str, value: Any) -> Scalar:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise InvalidInput(f"The filter on “{field}” takes a text, a number, true, false or null as a value.")
    if isinstance(value, str) and not is_storable(value):
        raise InvalidInput(f"The value for “{field}” holds characters that no document can hold, such as NUL.")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"The value for “{field}” is not a number that JSON knows.")
    return value


def is_storable(text: str) -> bool:
    """Whether PostgreSQL takes it: neither NUL nor half of a surrogate pair."""
    return "\0" not in text and not SURROGATE.search(text)
