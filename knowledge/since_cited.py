"""What has become of documents since an answer cited them: unchanged, changed, or deleted."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from knowledge.models import DeletedDocument, Document
from magnet.kept_passages import Standing


def standings(ids: Collection[UUID]) -> dict[UUID, Standing]:
    """For each of these ids; of a document that is not there, also where nobody knows when it went."""
    rows = Document.objects.filter(pk__in=ids).select_related("source")
    columns = ("remote_id", "title", "url", "content_hash", "changed_at", "source__slug")
    found = {row.pk: _of(row) for row in rows.only(*columns)}
    gone = set(ids) - set(found)
    went = dict(DeletedDocument.objects.filter(pk__in=gone).values_list("pk", "deleted_at")) if gone else {}
    return found | {key: Standing(is_there=False, changed_at=went.get(key)) for key in gone}


def _of(row: Document) -> Standing:
    name = {"source": row.source.slug, "remote_id": row.remote_id, "title": row.title, "url": row.url}
    return Standing(True, row.content_hash, row.changed_at, name)
