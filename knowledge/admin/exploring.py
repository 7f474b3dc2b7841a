"""Looks into the texts of documents and chunks: by their words, as the searches of tools do."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_
from typing import Any

from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Left, Right

from knowledge.models import Chunk, Document, IndexedDocument, Word
from knowledge.models.indexes import IS_PAIR
from magnet.callers import current_caller
from magnet.language import character_pairs, needs_character_pairs, search_configuration, single_characters

MAX_CHARACTERS = 500
# Of a common character, the pairs that stand in most chunks.
MOST_PAIRS = 1_000


def served_chunks() -> QuerySet[Any]:
    """The chunks that searches look at, of documents that this person may see; without what only machines read."""
    rows = Chunk.objects.filter(index__status="live").defer("embedding", "lexemes", "vector_key")
    groups = current_caller().groups
    return rows if groups is None else rows.filter(document__in=Document.objects.visible_to(groups).values("pk"))


def holding(rows: QuerySet[Any], words: str) -> QuerySet[Any]:
    """Those chunks whose title, heading or text holds these words, in whatever form they stand there."""
    text = words.replace("\0", " ")[:MAX_CHARACTERS]
    spoken = languages()
    queries = [query_in(language, text) for language in spoken]
    if any(map(needs_character_pairs, spoken)) and (letters := single_characters(text)):
        queries.append(reduce(and_, map(of_character, letters)))
    return rows.filter(lexemes=reduce(or_, queries))


def query_in(language: str, text: str) -> SearchQuery:
    prepared = character_pairs(text) if needs_character_pairs(language) else text
    return SearchQuery(prepared, config=search_configuration(language), search_type="websearch")


def of_character(letter: str) -> SearchQuery:
    """A Chinese, Japanese or Korean character by itself, and every pair of them that it begins or ends."""
    words = Word.objects.alias(first=Left("lexeme", 1), last=Right("lexeme", 1))
    found = words.filter(Q(first=letter) | Q(last=letter), IS_PAIR, index__status="live").values_list("lexeme")
    most = found.annotate(total=Sum("document_frequency")).order_by("-total", "lexeme")[:MOST_PAIRS]
    pairs = [letter, *(lexeme for lexeme, _ in most)]
    # As they stand in the index: nothing in a pair of such letters means anything to PostgreSQL.
    return SearchQuery(" | ".join(f"'{pair}'" for pair in pairs), config="simple", search_type="raw")


def languages() -> list[str]:
    """The languages in which chunks were made searchable, one for each way of doing so."""
    spoken = IndexedDocument.objects.filter(index__status="live", chunk_count__gt=0).order_by()
    found = spoken.values_list("language", flat=True).distinct()
    ways = {(search_configuration(language), needs_character_pairs(language)): language for language in found}
    return list(ways.values()) or [""]
