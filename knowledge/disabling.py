"""Takes chunks out of searches and lets them in again; by their text, so that it survives syncs and re-indexes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from knowledge.models import Chunk, DisabledChunk, Document
from knowledge.models.disabled import text_hash
from magnet.callers import current_caller
from magnet.database import one_transaction
from magnet.models import AuditEntry


def disable(chunks: Iterable[Chunk]) -> int:
    """No search finds these texts of their documents any more, in any generation; returns how many chunks changed."""
    return _set(list(chunks), is_disabled=True, verb="disabled chunks of")


def enable(chunks: Iterable[Chunk]) -> int:
    """Searches find them again at once: nothing has to be indexed anew."""
    return _set(list(chunks), is_disabled=False, verb="enabled chunks of")


@one_transaction
def _set(chunks: Sequence[Chunk], *, is_disabled: bool, verb: str) -> int:
    texts: dict[UUID, set[str]] = defaultdict(set)
    for chunk in chunks:
        texts[chunk.document_id].add(chunk.text)
    changed = 0
    # Documents first, and in the order in which indexing locks them: no batch in flight misses the mark.
    documents = Document.objects.filter(pk__in=texts).without_body().order_by("pk").select_for_update(no_key=True)
    for document in documents:
        _remember(document, texts[document.pk], is_disabled=is_disabled)
        rows = Chunk.objects.filter(document=document, text__in=texts[document.pk], is_disabled=not is_disabled)
        now = rows.update(is_disabled=is_disabled)
        changed += now
        if now:
            AuditEntry.record(verb, document, chunks=now)
    return changed


def _remember(document: Any, texts: set[str], *, is_disabled: bool) -> None:
    hashes = [text_hash(text) for text in texts]
    if not is_disabled:
        DisabledChunk.objects.filter(document=document, text_hash__in=hashes).delete()
        return
    by = current_caller().label
    DisabledChunk.objects.bulk_create(
        [DisabledChunk(document=document, text_hash=digest, actor_label=by) for digest in hashes], ignore_conflicts=True
    )
