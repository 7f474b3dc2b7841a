"""Which fields filters may name in a source: those that its generation maps, or that its documents really carry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from django.db import connection

from knowledge.filter_language import Node
from knowledge.filter_types import KnownField, doubtful
from knowledge.metadata_fields import FieldType, mapping_of
from knowledge.models import KnowledgeIndex, KnowledgeSource
from magnet.callers import current_caller
from magnet.database import cached, in_database
from magnet.errors import NotFound

# The oldest and the newest documents of a generation show what it carries; who asks for more is looked for in all.
SAMPLE = 500
MOST_FIELDS = 1_000
EXAMPLES = 5
EXAMPLE_CHARACTERS = 60

# A text is a date where all of them are, so written that they compare as texts.
VALUES = r"""
value as materialized (
    select f.key, jsonb_typeof(f.value) as kind, item.value as item, item.n
    from sample cross join lateral jsonb_each(sample.fields) f cross join lateral jsonb_array_elements_text(
        case jsonb_typeof(f.value) when 'array' then f.value else jsonb_build_array(f.value) end
    ) with ordinality item (value, n)
    where jsonb_typeof(f.value) <> 'null' and (%(only)s::text[] is null or f.key = any(%(only)s))
), counted as (
    select key, kind, left(item, %(characters)s) as text, count(*) as times, count(*) filter (where n = 1) as documents,
        bool_and(item ~ '^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?Z)?$') as are_dates
    from value group by 1, 2, 3
)
select key, kind, bool_and(are_dates), sum(documents), (array_agg(text order by times desc, text))[1:%(examples)s]
from counted group by 1, 2 order by 4 desc, 1 limit %(most)s
"""
OF_SAMPLE = """
with sample as materialized (
    (select document_id, fields from knowledge_indexeddocument where index_id = %(index)s
     order by document_id limit %(sample)s)
    union
    (select document_id, fields from knowledge_indexeddocument where index_id = %(index)s
     order by document_id desc limit %(sample)s)),
"""
OF_ALL = """
with sample as materialized (
    select fields from knowledge_indexeddocument where index_id = any(%(indexes)s) and fields ?| %(only)s),
"""
# Sources whose metadata nobody has mapped yet, for suggestions.
OF_METADATA = """
with sample as materialized (
    (select id, metadata as fields from knowledge_document where source_id = %(source)s order by id limit %(sample)s)
    union
    (select id, metadata as fields from knowledge_document where source_id = %(source)s
     order by id desc limit %(sample)s)),
"""
IS_LARGE = "select count(*) from (select from knowledge_indexeddocument where index_id = %s limit %s) d"

KINDS: dict[str, FieldType] = {"string": "text", "number": "number", "boolean": "boolean", "array": "list"}
Sampled = tuple[KnownField, ...]


@dataclass(frozen=True)
class Carried:
    """What one generation carries: its fields, and whether there may be more of them than were looked at."""

    fields: Sampled
    documents: int
    is_complete: bool


def describe_fields(sources: Sequence[str]) -> list[KnownField]:
    """The fields that filters over these sources (slugs) may name, with examples, by name. Raises NotFound.

    Without examples for a caller who may not find every document.
    """
    indexes = dict(
        KnowledgeIndex.objects.filter(source__slug__in=sources, status="live").values_list("source__slug", "pk")
    )
    _refuse_unknown(sources, indexes)
    carried = [carried_by(index) for index in indexes.values()]
    fields = sorted(_together(carried).values(), key=lambda field: field.name.casefold())
    return _as_the_caller_may_see(fields)


async def known_to(node: Node, indexes: Sequence[int]) -> dict[str, KnownField] | None:
    """The fields that a filter over these generations may name; None while they hold no document."""
    carried = [await cached(("fields", index), partial(carried_by, index)) for index in indexes]
    if not any(each.documents for each in carried):
        return None
    known = _together(carried)
    names = doubtful(node, known)
    incomplete = [index for index, each in zip(indexes, carried, strict=True) if not each.is_complete]
    if names and incomplete:
        seen = await in_database(look_for, names, incomplete)
        known |= _union([*(field for field in known.values() if field.name in names), *seen])
    return known


def carried_by(index_id: int) -> Carried:
    index = KnowledgeIndex.objects.filter(pk=index_id).only("metadata_fields").first()
    if index is None:
        return Carried((), 0, is_complete=True)
    mapping = mapping_of(index.metadata_fields)
    found = {field.name: field for field in _sampled(OF_SAMPLE, index=index_id)}
    if mapping:
        nothing = KnownField("", ("text",))
        fields = [(field, found.get(field.name, nothing)) for field in mapping]
        known = tuple(KnownField(each.name, (each.type,), seen.examples, seen.documents) for each, seen in fields)
        return Carried(known, _counted(index_id), is_complete=True)
    documents = _counted(index_id)
    return Carried(tuple(found.values()), documents, is_complete=documents <= 2 * SAMPLE)


def suggested_for(source_id: int) -> Sampled:
    """What the documents of a source really carry, whatever is mapped, the most frequent first."""
    return tuple(_as_the_caller_may_see(_sampled(OF_METADATA, source=source_id)))


def look_for(names: Collection[str], indexes: Sequence[int]) -> Sampled:
    """These fields in all documents of these generations; a look at each of them, so only where a sample knew none."""
    return _sampled(OF_ALL, indexes=list(indexes), only=list(names))


def _as_the_caller_may_see(fields: Iterable[KnownField]) -> list[KnownField]:
    """Without examples for who may not find every document: a value may stand in those."""
    is_restricted = current_caller().groups is not None
    return [replace(field, examples=()) if is_restricted else field for field in fields]


def _refuse_unknown(sources: Iterable[str], known: Collection[str]) -> None:
    missing = [slug for slug in sources if slug not in known]
    there = set(KnowledgeSource.objects.filter(slug__in=missing).values_list("slug", flat=True))
    for slug in missing:
        if slug not in there:
            raise NotFound(f"There is no knowledge source “{slug}”. Check its slug in the admin.")


def _counted(index_id: int) -> int:
    """How many documents, and no further than to one more than the sample."""
    with connection.cursor() as cursor:
        cursor.execute(IS_LARGE, [index_id, 2 * SAMPLE + 1])
        return int(cursor.fetchone()[0])


def _sampled(of: str, **values: Any) -> Sampled:
    limits = {"sample": SAMPLE, "most": MOST_FIELDS, "examples": EXAMPLES, "characters": EXAMPLE_CHARACTERS}
    with connection.cursor() as cursor:
        cursor.execute(of + VALUES, {"only": None, **limits, **values})
        rows = cursor.fetchall()
    fields = [
        KnownField(name, (_type(kind, are_dates=are_dates),), tuple(examples), int(documents))
        for name, kind, are_dates, documents, examples in rows
        if kind in KINDS
    ]
    return tuple(_union(fields).values())


def _type(kind: str, *, are_dates: bool) -> FieldType:
    return "date" if kind == "string" and are_dates else KINDS[kind]


def _together(carried: Iterable[Carried]) -> dict[str, KnownField]:
    return _union(field for each in carried for field in each.fields)


def _union(fields: Iterable[KnownField]) -> dict[str, KnownField]:
    """By name, the most frequent first; with the types that any of them has."""
    by_name: dict[str, list[KnownField]] = defaultdict(list)
    for field in fields:
        by_name[field.name].append(field)
    known = [
        KnownField(
            name,
            cast("tuple[FieldType, ...]", tuple(dict.fromkeys(type_ for one in found for type_ in one.types))),
            tuple(dict.fromkeys(example for one in found for example in one.examples))[:EXAMPLES],
            sum(one.documents for one in found),
        )
        for name, each in by_name.items()
        for found in [sorted(each, key=lambda one: -one.documents)]
    ]
    return {field.name: field for field in sorted(known, key=lambda field: -field.documents)}
