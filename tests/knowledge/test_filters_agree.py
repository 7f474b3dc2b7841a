"""Whatever the filter and the documents: the database lets through what a plain reading of the filter lets through."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge import filters
from knowledge.filter_language import Combination, Comparison, Node, parse
from knowledge.filter_types import KnownField
from knowledge.metadata_fields import MetadataField, period, typed
from knowledge.models import IndexedDocument, KnowledgeIndex
from tests.knowledge.chunks import Page, make_source

pytestmark = pytest.mark.django_db

MAPPING = tuple(MetadataField(name=type_, type=type_) for type_ in ("text", "number", "boolean", "date", "list"))
KNOWN = {field.name: KnownField(field.name, (field.type,)) for field in MAPPING}

WORDS = st.sampled_from(["", "a", "A", "ab", "b a", "ä", "2024", "%", "_", "'", "\\", '"'])
NUMBERS = st.sampled_from([0, 1, -1, 1.0, 1.5, 10**20, 1e-7, 0.1])
DAYS = st.sampled_from(["2023-12-31", "2024-01-01", "2024-02-29"])
DATES = DAYS | st.sampled_from(
    ["2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", "2024-01-01T01:30:00+02:00", "2023-12-31T23:59:59.9Z", "1.1.2024"]
)
PERIODS = DATES | st.sampled_from(["2023", "2024", "2024-01", "2023-12"])
ITEMS = st.lists(WORDS | NUMBERS | st.booleans(), max_size=3)
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "text": WORDS | st.none(), "number": NUMBERS | st.just("12"), "boolean": st.booleans(), "date": DATES,
        "list": ITEMS,
    },
)  # fmt: skip

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": WORDS, "number": NUMBERS, "boolean": st.booleans(), "date": PERIODS, "list": WORDS | NUMBERS | st.booleans()
}  # fmt: skip
ORDERED = {"text": WORDS, "number": NUMBERS, "date": PERIODS}
LISTED = {name: VALUES[name] for name in ("text", "list")}


def compared(values: dict[str, st.SearchStrategy[Any]], *operators: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(sorted(values)).flatmap(
        lambda name: st.builds(
            lambda operator, value: {name: {operator: value}}, st.sampled_from(operators), values[name]
        )
    )


LEAVES = (
    compared({name: value | st.none() for name, value in VALUES.items()}, "eq", "ne")
    | compared({name: st.lists(value | st.none(), min_size=1, max_size=14) for name, value in VALUES.items()}, "in")
    | compared(dict.fromkeys(VALUES, st.booleans()), "exists")
    | compared(ORDERED, "gt", "gte", "lt", "lte")
    | compared(LISTED, "contains")
)


def combined(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    kinds = st.sampled_from(["and", "or", "not"])
    return st.builds(lambda kind, of: {kind: of}, kinds, st.lists(inner, min_size=1, max_size=3))


FILTERS = st.recursive(LEAVES, combined, max_leaves=6)


def holds(node: Node, fields: dict[str, Any]) -> bool:
    if isinstance(node, Comparison):
        return compares(node, fields.get(node.field), is_there=node.field in fields)
    each = [holds(inner, fields) for inner in node.nodes]
    return {"and": all(each), "or": any(each), "not": not all(each)}[node.kind]


def compares(node: Comparison, said: Any, *, is_there: bool) -> bool:
    if node.operator == "exists":
        return is_there is node.value
    if node.operator in ("eq", "in"):
        return any(equals(node.field, said, value) for value in node.values)
    if node.operator == "ne":
        return not equals(node.field, said, node.value)
    if said is None:
        return False
    if node.operator == "contains":
        return node.value.lower() in said.lower() if node.field == "text" else equals("list", said, node.value)
    return is_beside(node.operator, *sides(node, said))


def equals(field: str, said: Any, value: Any) -> bool:
    if value is None or said is None:
        return said is value
    if field == "list":
        return any(equals("text", item, value) for item in said)
    if field == "date":
        begins, has_ended = span(value)
        return begins <= said < has_ended
    return isinstance(said, bool) == isinstance(value, bool) and bool(said == value)


def sides(node: Comparison, said: Any) -> tuple[Any, Any, Any]:
    """What the document says, and where the value begins and ends."""
    if node.field == "date":
        return said, *span(node.value)
    return said, node.value, node.value


def span(value: str) -> tuple[str, str]:
    found = period(value)
    assert found
    return found


def is_beside(operator: str, said: Any, begins: Any, ends: Any) -> bool:
    if begins == ends:
        return {"gt": said > begins, "gte": said >= begins, "lt": said < begins, "lte": said <= begins}[operator]
    return {"gt": said >= ends, "gte": said >= begins, "lt": said < begins, "lte": said < ends}[operator]


@pytest.fixture
def index() -> KnowledgeIndex:
    index = make_source("wiki", [Page(str(n), f"Page {n}") for n in range(4)]).live_index
    assert index is not None
    return index


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=st.lists(METADATA, min_size=4, max_size=4), wanted=FILTERS)
def test_the_database_and_a_plain_reading_of_a_filter_agree(index, documents, wanted):
    seen = [typed(metadata, MAPPING).fields for metadata in documents]
    entries = list(IndexedDocument.objects.filter(index=index).order_by("pk"))
    for entry, fields in zip(entries, seen, strict=True):
        entry.fields = fields
    IndexedDocument.objects.bulk_update(entries, ["fields"])
    node = parse(wanted)
    assert isinstance(node, Combination)

    condition = filters.compiled(node, KNOWN)

    expected = {entry.pk for entry, fields in zip(entries, seen, strict=True) if holds(node, fields)}
    assert fitting(condition, index) == expected


def fitting(condition: filters.Condition, index: KnowledgeIndex) -> set[int]:
    text = condition.sql.as_string(None)
    with connection.cursor() as cursor:
        statement = f"select i.id from knowledge_indexeddocument i where i.index_id = {index.pk} and ({text})"
        cursor.execute(statement, condition.values)
        return {pk for (pk,) in cursor.fetchall()}
