"""Looks into the texts of documents and chunks: by their words, as the searches of tools do."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.contrib.postgres.search import SearchQuery
from django.db.models import QuerySet

from knowledge.models import Chunk, Document, IndexedDocument
from magnet.callers import current_caller
from magnet.language import character_pairs, needs_character_pairs, search_configuration

MAX_CHARACTERS = 500


def served_chunks() -> QuerySet[Any]:
    """The chunks that searches look at, of documents that this person may see; without what only machines read."""
    rows = Chunk.objects.filter(index__status="live").defer("embedding", "lexemes", "vector_key")
    groups = current_caller().groups
    return rows if groups is None else rows.filter(document__in=Document.objects.visible_to(groups).values("pk"))


def holding(rows: QuerySet[Any], words: str) -> QuerySet[Any]:
    """Those chunks whose title, heading or text holds these words, in whatever form they stand there."""
    text = words.replace("\0", " ")[:MAX_CHARACTERS]
    return rows.filter(lexemes=reduce(or_, [query_in(language, text) for language in languages()]))


def query_in(language: str, text: str) -> SearchQuery:
    prepared = character_pairs(text) if needs_character_pairs(language) else text
    return SearchQuery(prepared, config=search_configuration(language), search_type="websearch")


def languages() -> list[str]:
    """The languages in which chunks were made searchable, one for each way of doing so."""
    spoken = IndexedDocument.objects.filter(index__status="live", chunk_count__gt=0).order_by()
    found = spoken.values_list("language", flat=True).distinct()
    ways = {(search_configuration(language), needs_character_pairs(language)): language for language in found}
    return list(ways.values()) or [""]
