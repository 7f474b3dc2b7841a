"""Whether a filter of a tool fits the documents of its sources, asked when it is saved and not first when searching."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Exists, OuterRef

from knowledge import known_fields
from knowledge.filter_language import Comparison, comparisons, parse
from knowledge.filter_types import KnownField, allowed, check, doubtful
from knowledge.models import IndexedDocument, KnowledgeIndex, KnowledgeSource
from magnet.errors import InvalidInput

FIELD = "fixed_filter"


@dataclass(frozen=True)
class Fields:
    """What filters over some sources may name, and those sources that hold no document yet: theirs nobody knows."""

    known: Mapping[str, KnownField]
    indexes: tuple[int, ...]
    empty: tuple[str, ...]

    @property
    def by_frequency(self) -> list[KnownField]:
        return sorted(self.known.values(), key=lambda field: (-field.documents, field.name))


def fields_of(sources: Iterable[KnowledgeSource]) -> Fields:
    rows = list(sources)
    if not rows:
        return Fields({}, (), ())
    entries = IndexedDocument.objects.filter(index=OuterRef("pk"))
    live = KnowledgeIndex.objects.filter(source__in=rows, status=KnowledgeIndex.Status.LIVE)
    filled = dict(live.filter(Exists(entries)).values_list("source_id", "pk"))
    known = {field.name: field for field in known_fields.describe_fields([row.slug for row in rows])}
    return Fields(known, tuple(filled.values()), tuple(row.name for row in rows if row.pk not in filled))


def prove(given: Mapping[str, Any], fields: Fields) -> str:
    """A hint where nobody can know yet whether it fits; empty where it fits. Raises InvalidInput."""
    node = parse(given)
    known = with_closer_look(doubtful(node, fields.known), fields)
    unknown = [each for each in comparisons(node) if each.is_metadata and each.field not in known]
    if unknown and fields.empty:
        _check_the_rest(node, known)
        return _hint(unknown, fields.empty)
    check(node, known)
    return ""


def with_closer_look(names: set[str], fields: Fields) -> dict[str, KnownField]:
    """The known fields; what a sample did not know of these names is looked for in all documents."""
    known = dict(fields.known)
    seen = known_fields.look_for(names, fields.indexes) if names and fields.indexes else ()
    for field in seen:
        before = known.get(field.name)
        types = (*before.types, *field.types) if before else field.types
        known[field.name] = replace(before or field, types=tuple(dict.fromkeys(types)))
    return known


def _check_the_rest(node: Any, known: Mapping[str, KnownField]) -> None:
    for each in comparisons(node):
        if each.field in known:
            check(each, known)


def _hint(unknown: list[Comparison], empty: tuple[str, ...]) -> str:
    names = ", ".join(f"“{name}”" for name in dict.fromkeys(each.field for each in unknown))
    sources = ", ".join(f"“{name}”" for name in empty)
    return (
        f"Nobody knows yet whether there is a field {names}: {sources} holds no documents. Check it after the first "
        "sync, and save again."
    )


def prove_changes(settings: Mapping[str, Any], *, version: Any = None) -> None:
    """For settings as an interface sends them, on top of what `version` has. Raises InvalidInput for the filter."""
    if settings.get(FIELD) is None and settings.get("sources") is None:
        return
    stored = getattr(version, FIELD, {}) if version is not None else {}
    given = settings.get(FIELD, stored)
    if not given:
        return
    sources = settings.get("sources")
    if sources is None:
        sources = [row.source for row in version.tool_sources.select_related("source")] if version is not None else []
    try:
        prove(given, fields_of(sources))
    except InvalidInput as error:
        raise InvalidInput(error.detail, errors={FIELD: [error.detail]}, **error.extra) from error


def said_of_none(fields: Fields) -> str:
    """Why there is no field to choose from; empty where there are some."""
    if fields.known:
        return ""
    if fields.empty:
        return f"{', '.join(fields.empty)}: no documents yet, so nobody knows their fields."
    return allowed({})
