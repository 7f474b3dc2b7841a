"""Which documents a search may look at: the JSON filter of a caller, checked, and compiled to SQL with bound values.

    {"department": "sales"}                                   the same as {"department": {"eq": "sales"}}
    {"year": {"gte": 2020, "lt": 2024}}                       all of them hold
    {"and": [...]}  {"or": [...]}  {"not": {...}}             nested up to 20 deep

A field is a key of the document's typed metadata (`IndexedDocument.fields`), or one of the document's own: remote_id,
title, url, media_type, language.
`metadata.title` is the key `title` of the metadata.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, LiteralString

from psycopg import sql

from knowledge.models.documents import remote_key
from magnet.errors import InvalidInput

MAX_DEPTH = 20
MAX_VALUES = 1_000
MAX_FIELD_CHARACTERS = 200
OWN_FIELDS = ("remote_id", "title", "url", "media_type", "language")
OPERATORS = ("eq", "ne", "in", "gt", "gte", "lt", "lte", "exists", "contains")
COMPARISONS: dict[str, LiteralString] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
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


@dataclass(frozen=True)
class Combination:
    """`and`, `or` or `not` over other nodes; `not` means that not all of them hold."""

    kind: str
    nodes: tuple[Node, ...]


Node = Comparison | Combination


@dataclass(frozen=True)
class Condition:
    """A condition on the document `d` and its entry `i` in the ledger of the searched generation, with its values."""

    sql: sql.Composable
    values: Mapping[str, Any]
    # Whether it asks for the fields of the entry, or the document itself says enough.
    has_fields: bool = True


def compile_filter(given: Mapping[str, Any]) -> Condition:
    """Raises InvalidInput, which names what is wrong and lists what is allowed."""
    return Compiler().condition(parse(given))


# -- Reading -------------------------------------------------------------------------------------------------------


def parse(given: Any) -> Combination:
    node = _all_of(given, depth=1)
    if _values(node) > MAX_VALUES:
        raise InvalidInput(f"The filter holds more than {MAX_VALUES} values. Ask with fewer.")
    return node


def _all_of(given: Any, *, depth: int) -> Combination:
    if not isinstance(given, Mapping):
        raise InvalidInput('The filter must be a JSON object such as {"department": "sales"}.')
    if depth > MAX_DEPTH:
        raise InvalidInput(f"The filter is nested more than {MAX_DEPTH} deep. Write it flatter.")
    nodes: list[Node] = []
    for key, value in given.items():
        if key in COMBINATIONS:
            nodes.append(_combination(key, value, depth=depth))
        else:
            nodes += _comparisons(key, value)
    return Combination("and", tuple(nodes))


def _combination(kind: str, given: Any, *, depth: int) -> Combination:
    if kind == "not" and isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, list) or not given:
        raise InvalidInput(f"“{kind}” in the filter takes a list of filters that is not empty.")
    return Combination(kind, tuple(_all_of(item, depth=depth + 1) for item in given))


def _comparisons(key: Any, given: Any) -> list[Node]:
    if not isinstance(key, str) or not key or len(key) > MAX_FIELD_CHARACTERS or not is_storable(key):
        raise InvalidInput(f"A field of the filter has a name of 1 to {MAX_FIELD_CHARACTERS} characters.")
    field, is_metadata = key.removeprefix("metadata."), key not in OWN_FIELDS
    if not isinstance(given, Mapping):
        given = {"eq": given}
    if not given:
        raise InvalidInput(f"The filter on “{key}” is empty. Use one of: {', '.join(OPERATORS)}.", allowed=OPERATORS)
    return [Comparison(field, is_metadata, name, _checked(key, name, value)) for name, value in given.items()]


def _checked(field: str, operator: Any, value: Any) -> Any:
    if operator not in OPERATORS:
        raise InvalidInput(
            f"The filter on “{field}” does not know “{str(operator)[:50]}”. Use one of: {', '.join(OPERATORS)}.",
            allowed=list(OPERATORS),
        )
    if operator == "in":
        if not isinstance(value, list) or not value:
            raise InvalidInput(f"“in” on “{field}” takes a list of values that is not empty.")
        return tuple(_scalar(field, item) for item in value)
    if operator == "exists" and not isinstance(value, bool):
        raise InvalidInput(f"“exists” on “{field}” takes true or false.")
    if operator in COMPARISONS and (isinstance(value, bool) or not isinstance(value, int | float | str)):
        raise InvalidInput(f"“{operator}” on “{field}” takes a number or a text, such as a date 2024-05-31.")
    return _scalar(field, value)


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


def _values(node: Node) -> int:
    if isinstance(node, Combination):
        return sum(map(_values, node.nodes)) or 1
    return len(node.value) if node.operator == "in" else 1


# -- Writing SQL ---------------------------------------------------------------------------------------------------


class Compiler:
    """Writes nodes as SQL on `d` and `i`; values become placeholders with names of their own."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.has_fields = False
        self._numbers = count()

    def condition(self, node: Node) -> Condition:
        text = self.write(node)
        return Condition(text, self.values, self.has_fields)

    def write(self, node: Node) -> sql.Composable:
        if isinstance(node, Comparison):
            return self._metadata(node) if node.is_metadata else self._own(node)
        if not node.nodes:
            return sql.SQL("true")
        joined = sql.SQL(" or " if node.kind == "or" else " and ").join(map(self.write, node.nodes))
        return sql.SQL("(not coalesce({}, false))" if node.kind == "not" else "({})").format(joined)

    def bind(self, value: Any) -> sql.Placeholder:
        name = f"filter_{next(self._numbers)}"
        self.values[name] = value
        return sql.Placeholder(name)

    # A field of the document: a text, never null.

    def _own(self, node: Comparison) -> sql.Composable:
        if node.operator in ("eq", "ne", "in"):
            return self._own_is(node)
        column = sql.Identifier("d", node.field)
        if node.operator == "exists":
            return sql.SQL("({} <> '') = {}::boolean").format(column, self.bind(node.value))
        if not isinstance(node.value, str):
            raise InvalidInput(f"“{node.operator}” on “{node.field}” takes a text.")
        if node.operator == "contains":
            return sql.SQL("strpos(lower({}), lower({}::text)) > 0").format(column, self.bind(node.value))
        return sql.SQL('{} collate "C" {} {}::text').format(
            column, sql.SQL(COMPARISONS[node.operator]), self.bind(node.value)
        )

    def _own_is(self, node: Comparison) -> sql.Composable:
        values = list(node.value) if node.operator == "in" else [node.value]
        if not all(isinstance(value, str) for value in values):
            raise InvalidInput(f"“{node.operator}” on “{node.field}” takes a text.")
        column = node.field
        if column == "remote_id":
            # Its hash is what the table has an index on.
            column, values = "remote_key", [remote_key(value) for value in values]
        is_one = sql.SQL("({} = any({}::text[]))").format(sql.Identifier("d", column), self.bind(values))
        return sql.SQL("(not {})").format(is_one) if node.operator == "ne" else is_one

    # A key of the metadata: any JSON value, or none.

    def _metadata(self, node: Comparison) -> sql.Composable:
        self.has_fields = True
        write: dict[str, Callable[[Comparison], sql.Composable]] = {
            "eq": lambda node: self._is(node.field, node.value),
            "ne": lambda node: sql.SQL("(not {})").format(self._is(node.field, node.value)),
            "in": lambda node: self._is_one_of(node.field, node.value),
            "exists": lambda node: sql.SQL("(i.fields ? {}::text) = {}::boolean").format(
                self.bind(node.field), self.bind(node.value)
            ),
            "contains": self._contains,
        }
        return write.get(node.operator, self._compares)(node)

    def _is(self, field: str, value: Scalar) -> sql.Composable:
        """Containment, because it can use the index on metadata. Null is also what a document does not say."""
        if value is None:
            return sql.SQL("(coalesce(i.fields -> {}::text, 'null') = 'null')").format(self.bind(field))
        return sql.SQL("(i.fields @> {}::jsonb)").format(self.bind(json.dumps({field: value})))

    def _is_one_of(self, field: str, values: Sequence[Scalar]) -> sql.Composable:
        return sql.SQL("({})").format(sql.SQL(" or ").join([self._is(field, value) for value in values]))

    def _compares(self, node: Comparison) -> sql.Composable:
        """Numbers with numbers and texts with texts; a document that says neither does not fit."""
        operator, field = sql.SQL(COMPARISONS[node.operator]), self.bind(node.field)
        if isinstance(node.value, str):
            return sql.SQL(
                "(jsonb_typeof(i.fields -> {0}::text) = 'string'"
                ' and (i.fields ->> {0}::text) collate "C" {1} {2}::text)'
            ).format(field, operator, self.bind(node.value))
        return sql.SQL(
            "(jsonb_typeof(i.fields -> {0}::text) = 'number' and (i.fields -> {0}::text) {1} {2}::jsonb)"
        ).format(field, operator, self.bind(json.dumps(node.value)))

    def _contains(self, node: Comparison) -> sql.Composable:
        """A list that holds the value, or a text that holds the text."""
        holds = sql.SQL("(i.fields @> {}::jsonb)").format(self.bind(json.dumps({node.field: [node.value]})))
        if not isinstance(node.value, str):
            return holds
        return sql.SQL(
            "({0} or (jsonb_typeof(i.fields -> {1}::text) = 'string'"
            " and strpos(lower(i.fields ->> {1}::text), lower({2}::text)) > 0))"
        ).format(holds, self.bind(node.field), self.bind(node.value))
