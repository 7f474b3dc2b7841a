"""What the pages of traces call sources and chunks, and where a deletion is proved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from knowledge.models import Chunk, Document, KnowledgeSource
from magnet.admin.naming import Name, brings_names
from magnet.callers import current_caller


@brings_names("source")
def source_names(slugs: Iterable[Any]) -> dict[Any, Name]:
    rows = KnowledgeSource.objects.filter(slug__in=slugs).only("pk", "slug", "name")
    overview = "admin:knowledge_knowledgesource_overview"
    return {row.slug: Name(row.name, reverse(overview, args=[row.pk])) for row in rows}


@brings_names("proof")
def proof_pages(keys: Iterable[Any]) -> dict[Any, Name]:
    """The page that proves a deletion, by the slug of the source and the title of the document."""
    wanted = list(keys)
    sources = dict(KnowledgeSource.objects.filter(slug__in=[slug for slug, _title in wanted]).values_list("slug", "pk"))
    page = "admin:knowledge_knowledgesource_proof"
    return {
        (slug, title): Name(title, f"{reverse(page, args=[sources[slug]])}?{urlencode({'wanted': title})}")
        for slug, title in wanted
        if slug in sources
    }


@brings_names("chunk")
def chunk_names(ids: Iterable[Any]) -> dict[Any, Name]:
    """Chunks by the titles of their documents; those of documents that changed since are no longer there."""
    wanted = [pk for pk in ids if isinstance(pk, int)]
    columns = ("pk", "document_id", "document__title", "document__remote_id", "position")
    page = "admin:knowledge_document_change"
    visible = Chunk.objects.filter(pk__in=wanted, document__in=Document.objects.visible_to(current_caller().groups))
    return {
        pk: Name(f"{title or remote_id} · {position + 1}", f"{reverse(page, args=[document])}?chunk={pk}#passage")
        for pk, document, title, remote_id, position in visible.values_list(*columns)
    }
