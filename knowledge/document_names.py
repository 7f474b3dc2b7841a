"""Finds the documents that somebody means: by id, id in the source, address or title, among those they may see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from knowledge.filter_language import is_storable
from knowledge.models import DeletedDocument, Document
from knowledge.models.deletions import title_key
from knowledge.models.documents import remote_key
from magnet.callers import current_caller

MOST_CHARACTERS = 4_000
MOST_SHOWN = 8
LONG_WORD = re.compile(r"\w{3,}")
MOST_WORDS = 6


def named(text: str, *, by_part_of_title: bool = True) -> list[Document]:
    """Those whose id, id in the source, address or whole title this is; else those whose title holds it.

    One more than MOST_SHOWN at most; empty for what nobody may see.
    """
    if not is_nameable(text):
        return []
    visible = _visible()
    if (pk := _uuid(text)) and (found := list(visible.filter(pk=pk))):
        return found
    exact = Q(remote_key=remote_key(text)) | Q(url=text) | Q(title__iexact=text)
    found = list(visible.filter(exact)[: MOST_SHOWN + 1])
    if found or not by_part_of_title:
        return found
    return list(visible.filter(title__icontains=text)[: MOST_SHOWN + 1])


def suggested(text: str, *, sources: Sequence[str]) -> list[Document]:
    """While it is typed: those of these sources (all of them for none) whose title or id in the source holds it."""
    if not is_nameable(text):
        return []
    rows = _visible().filter(Q(title__icontains=text) | Q(remote_id__icontains=text))
    ours = rows.filter(source__slug__in=list(sources)) if sources else rows
    return list(ours[:MOST_SHOWN])


def similar(text: str) -> list[Document]:
    """Those whose titles share the most words with this."""
    words = sorted(set(LONG_WORD.findall(text.casefold())), key=len, reverse=True)[:MOST_WORDS]
    if not words or not is_nameable(text):
        return []
    any_word = Q()
    for word in words:
        any_word |= Q(title__icontains=word)
    rows = list(_visible().filter(any_word)[:200])
    rows.sort(key=lambda row: -sum(word in row.title.casefold() for word in words))
    return rows[:MOST_SHOWN]


def deleted(text: str) -> DeletedDocument | None:
    """The last one of this name that was deleted. Fingerprints know no groups: only who may find all is told."""
    if current_caller().groups is not None or not is_nameable(text):
        return None
    same = Q(remote_key=remote_key(text)) | Q(title_key=title_key(text))
    if pk := _uuid(text):
        same |= Q(pk=pk)
    found: DeletedDocument | None = DeletedDocument.objects.filter(same).select_related("source").first()
    return found


def is_nameable(text: str) -> bool:
    return 0 < len(text) <= MOST_CHARACTERS and is_storable(text)


def _visible() -> QuerySet[Document]:
    rows = Document.objects.visible_to(current_caller().groups).without_body()
    return rows.select_related("source").order_by("title", "pk")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
