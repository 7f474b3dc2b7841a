"""Which documents a search may look at: a filter, compiled to SQL with bound values and nothing else of the caller."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, LiteralString

from psycopg import sql

from knowledge.filter_language import Comparison, Node, Scalar, parse
from knowledge.filter_types import Known, check
from knowledge.metadata_fields import TYPES, FieldType, period
from knowledge.models.documents import remote_key
from magnet.errors import InvalidInput

COMPARISONS: dict[str, LiteralString] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
# Each of so few values is looked up in the index of fields; more are compared row by row.
MOST_LOOKED_UP = 10
# Where nobody knows the fields, a text is compared as a text.
UNTYPED: tuple[FieldType, ...] = tuple(name for name in TYPES if name not in ("date", "list"))


@dataclass(frozen=True)
class Condition:
    """A condition on the document `d` and its entry `i` in the ledger of the searched generation, with its values."""

    sql: sql.Composable
    values: Mapping[str, Any]
    # Whether it asks for the fields of the entry, or the document itself says enough.
    has_fields: bool = True


def compile_filter(given: Mapping[str, Any], known: Known | None = None) -> Condition:
    """Raises InvalidInput, which names what is wrong and lists what is allowed; without `known`, of any field."""
    node = parse(given)
    return compiled(node, known)


def compiled(node: Node, known: Known | None) -> Condition:
    if known is not None:
        check(node, known)
    compiler = Compiler(known or {})
    text = compiler.write(node)
    return Condition(text, compiler.values, compiler.has_fields)


class Compiler:
    """Writes nodes as SQL on `d` and `i`; values become placeholders with names of their own."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.values: dict[str, Any] = {}
        self.has_fields = False
        self._numbers = count()

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
        values = list(node.values)
        if not all(isinstance(value, str) for value in values):
            raise InvalidInput(f"“{node.operator}” on “{node.field}” takes a text.")
        column = node.field
        if column == "remote_id":
            # Its hash is what the table has an index on.
            column, values = "remote_key", [remote_key(str(value)) for value in values]
        is_one = sql.SQL("({} = any({}::text[]))").format(sql.Identifier("d", column), self.bind(values))
        return sql.SQL("(not {})").format(is_one) if node.operator == "ne" else is_one

    # A key of the metadata: any JSON value, or none.

    def _metadata(self, node: Comparison) -> sql.Composable:
        self.has_fields = True
        known = self.known.get(node.field)
        types = known.types if known else UNTYPED
        if node.operator == "exists":
            return sql.SQL("((i.fields ? {}::text) = {}::boolean)").format(self.bind(node.field), self.bind(node.value))
        if node.operator == "contains":
            return self._contains(node)
        if node.operator in COMPARISONS:
            return self._is_beside(node, types)
        is_one = self._is_one_of(node.field, node.values, types)
        return sql.SQL("(not {})").format(is_one) if node.operator == "ne" else is_one

    def _is_one_of(self, field: str, values: Sequence[Scalar], types: Sequence[FieldType]) -> sql.Composable:
        """Containment, because it can use the index on fields. Null is also what a document does not say."""
        parts: list[sql.Composable] = []
        if None in values:
            parts.append(sql.SQL("coalesce(i.fields -> {}::text, 'null') = 'null'").format(self.bind(field)))
        spans = {value: span for value in values if isinstance(value, str) and (span := _span(value, types))}
        parts += [self._in_period(field, start=start, end=end) for start, end in dict.fromkeys(spans.values())]
        said = [value for value in values if value is not None]
        plain = [value for value in said if "text" in types or value not in spans]
        if "list" in types:
            parts += [self._holds(field, [value]) for value in said]
        if len(plain) <= MOST_LOOKED_UP:
            parts += [self._holds(field, value) for value in plain]
        else:
            written = self.bind([json.dumps(value) for value in plain])
            parts.append(sql.SQL("coalesce((i.fields -> {}::text) = any({}::jsonb[]), false)").format(
                self.bind(field), written
            ))  # fmt: skip
        return sql.SQL("({})").format(sql.SQL(" or ").join(parts))

    def _holds(self, field: str, value: Any) -> sql.Composable:
        return sql.SQL("(i.fields @> {}::jsonb)").format(self.bind(json.dumps({field: value})))

    def _is_beside(self, node: Comparison, types: Sequence[FieldType]) -> sql.Composable:
        """Numbers with numbers and texts with texts; a document that says neither does not fit."""
        span = _span(node.value, types) if isinstance(node.value, str) else None
        if span is not None:
            # A day, a month, a year begin and end: after it is what begins at its end.
            start, end = span
            bound = {"gt": end, "gte": start, "lt": start, "lte": end}[node.operator]
            return self._text_compares(node.field, ">=" if node.operator in ("gt", "gte") else "<", bound)
        if isinstance(node.value, str):
            return self._text_compares(node.field, COMPARISONS[node.operator], node.value)
        return sql.SQL(
            "(jsonb_typeof(i.fields -> {0}::text) = 'number' and (i.fields -> {0}::text) {1} {2}::jsonb)"
        ).format(self.bind(node.field), sql.SQL(COMPARISONS[node.operator]), self.bind(json.dumps(node.value)))

    def _in_period(self, field: str, *, start: str, end: str) -> sql.Composable:
        both = [self._text_compares(field, ">=", start), self._text_compares(field, "<", end)]
        return sql.SQL("coalesce({}, false)").format(sql.SQL(" and ").join(both))

    def _text_compares(self, field: str, operator: LiteralString, value: str) -> sql.Composable:
        return sql.SQL(
            "(jsonb_typeof(i.fields -> {0}::text) = 'string' and (i.fields ->> {0}::text) collate \"C\" {1} {2}::text)"
        ).format(self.bind(field), sql.SQL(operator), self.bind(value))

    def _contains(self, node: Comparison) -> sql.Composable:
        """A list that holds the value, or a text that holds the text."""
        holds = self._holds(node.field, [node.value])
        if not isinstance(node.value, str):
            return holds
        return sql.SQL(
            "({0} or (jsonb_typeof(i.fields -> {1}::text) = 'string'"
            " and strpos(lower(i.fields ->> {1}::text), lower({2}::text)) > 0))"
        ).format(holds, self.bind(node.field), self.bind(node.value))


def _span(value: str, types: Sequence[FieldType]) -> tuple[str, str] | None:
    return period(value) if "date" in types else None
