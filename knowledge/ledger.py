"""The ledger: what each generation holds of each document, who works on it, and what became of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, Count, F, Max, Q, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from pydantic import ValidationError as ShapeError

from knowledge import document_fields, originals, run_log
from knowledge.chunkers import chunker_kind
from knowledge.models import DeletedDocument, Document, IndexedDocument, KnowledgeIndex, KnowledgeSource
from knowledge.models.indexes import LEASE, MAX_ATTEMPTS
from magnet.database import one_transaction
from magnet.errors import MagnetError, ProviderError, SourceError
from magnet.models import AuditEntry, IdempotentRequest, Trace
from magnet.models.uses import refuse_when_used, uses_of

State = IndexedDocument.State

# The waiting time before the second and third attempt.
BACKOFF = (timedelta(minutes=1), timedelta(minutes=10))
DELETE_BATCH = 500
# The failure code of what was in the hands of a worker that died.
WORKER_STOPPED = "worker_stopped"
SUSPECTED = "The worker stopped while it had this document, perhaps because of it. It is tried again, alone."
REFUSED = (
    "This document made the worker stop three times, so it is left alone. Its file may be damaged or far too large: "
    "replace it, or give the worker more memory; then try it again."
)
EXCLUDED = "excluded"
EVERY = Q()


@dataclass(frozen=True)
class Failure:
    """Why a document could not be indexed; `is_passing` when trying again may help."""

    code: str
    reason: str
    is_passing: bool

    @classmethod
    def of(cls, error: MagnetError) -> Failure:
        return cls(error.code, error.detail, isinstance(error, SourceError | ProviderError))


# -- Generations ---------------------------------------------------------------------------------------------------


def settings_hash(source: KnowledgeSource) -> str:
    """What a chunk depends on beside its document: another hash means that chunks must be cut again."""
    parts: list[Any] = [source.embedding_model_id, source.chunker, source.chunker_config, source.language]
    if source.context_model_id is not None:
        parts.append(source.context_model_id)
    if source.metadata_fields:
        parts.append(source.metadata_fields)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def wants_another(source: KnowledgeSource, index: KnowledgeIndex) -> bool:
    """Whether the settings of a source differ from those of a generation; then a re-index is offered."""
    dimensions = source.embedding_model.dimensions or 0
    return [
        *cut_of(source), source.embedding_model_id, dimensions, source.language, source.context_model_id,
        source.metadata_fields,
    ] != [
        *cut_of(index), index.embedding_model_id, index.dimensions, index.language, index.context_model_id,
        index.metadata_fields,
    ]  # fmt: skip


def cut_of(row: KnowledgeSource | KnowledgeIndex) -> tuple[str, dict[str, Any]]:
    """How texts are cut, with the values that are not set: to write a default down changes nothing."""
    shape = chunker_kind(row.chunker).Config
    try:
        return row.chunker, shape.model_validate(row.chunker_config).model_dump(mode="json")
    except ShapeError:
        return row.chunker, row.chunker_config


@transaction.atomic
def ensure_index(source: KnowledgeSource) -> KnowledgeIndex:
    """The live generation; the first one is made here. It keeps its own settings, unless it is still empty."""
    source = KnowledgeSource.objects.select_related("embedding_model").hold(source.pk)
    live = source.live_index
    if live is None:
        live = new_index(source, status=KnowledgeIndex.Status.LIVE, live_at=timezone.now())
    elif wants_another(source, live) and not live.ledger.exists():
        # The status is written with them, because that is what announces the change to every process.
        KnowledgeIndex.objects.filter(pk=live.pk).update(status=live.status, **_settings(source))
    return KnowledgeIndex.objects.for_use().get(pk=live.pk)


def new_index(source: KnowledgeSource, **columns: Any) -> KnowledgeIndex:
    """A generation with the settings that the source has now."""
    last = source.indexes.aggregate(last=Max("number"))["last"] or 0
    index: KnowledgeIndex = KnowledgeIndex.objects.create(
        source=source, number=last + 1, **_settings(source), **columns
    )
    return index


def _settings(source: KnowledgeSource) -> dict[str, Any]:
    return {
        "embedding_model": source.embedding_model,
        "dimensions": source.embedding_model.dimensions or 0,
        "chunker": source.chunker,
        "chunker_config": source.chunker_config,
        "language": source.language,
        "context_model_id": source.context_model_id,
        "metadata_fields": source.metadata_fields,
        "settings_hash": settings_hash(source),
    }


# -- Work ------------------------------------------------------------------------------------------------------------


def add(index: KnowledgeIndex, documents: Sequence[Document]) -> None:
    """New documents: pending, and due at once, in the live generation and in one that is built beside it.

    Asked anew, because `index` may have been replaced while a listing went on.
    """
    generations = KnowledgeIndex.objects.filter(source=index.source_id).current()
    rows = document_fields.entries(generations.only("metadata_fields"), documents)
    IndexedDocument.objects.bulk_create(rows, ignore_conflicts=True)


def make_due(documents: Sequence[UUID]) -> None:
    """The source has something new: whoever works on the old content loses the lease and writes nothing."""
    entries = IndexedDocument.objects.filter(document_id__in=documents).exclude(state=State.EXCLUDED)
    entries.change(is_due=True, attempts=0, next_attempt_at=None, lease_token=None, lease_expires_at=None)


def try_passing_failures_again(index: KnowledgeIndex) -> None:
    """A new sync gives another chance to what failed for a passing reason; an unreadable file stays as it is."""
    passing = [kind.code for kind in (*_kinds_of(SourceError), *_kinds_of(ProviderError))]
    index.ledger.filter(failure_code__in=passing).change(is_due=True, attempts=0, next_attempt_at=None)


def _kinds_of(root: type[MagnetError]) -> list[type[MagnetError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in _kinds_of(child))]


def claim(index: KnowledgeIndex, *, token: UUID, limit: int, only: Any = EVERY) -> list[IndexedDocument]:
    """Lease up to `limit` due documents to the step `token`, without their texts, which would fill the memory.

    What was in the hands of a worker when it died comes last and alone, so that the guilty one is found; who was hit
    most often comes at the very end.
    """
    now = Now()
    with transaction.atomic():
        claimable = IndexedDocument.objects.claimable(now).filter(only, index=index)
        free = claimable.select_for_update(no_key=True, skip_locked=True).values_list("id", flat=True)
        ids = list(free.exclude(failure_code=WORKER_STOPPED).order_by("document_id")[:limit]) or list(
            free.filter(failure_code=WORKER_STOPPED).order_by("attempts", "document_id")[:1]
        )
        IndexedDocument.objects.filter(id__in=ids).update(lease_token=token, lease_expires_at=now + LEASE)
    claimed = IndexedDocument.objects.filter(id__in=ids).select_related("document").order_by("document_id")
    return list(claimed.defer("document__text", "document__incoming_text", "document__page_starts"))


@transaction.atomic
def count_death(token: UUID) -> None:
    """The step `token` died: each document in its hands may be why, and is refused when that has come too often."""
    stops = Case(When(failure_code=WORKER_STOPPED, then=F("attempts") + 1), default=1)
    held = IndexedDocument.objects.filter(id__in=IndexedDocument.objects.held_by(token).lock())
    held.update(attempts=stops, failure_code=WORKER_STOPPED, failure=SUSPECTED, next_attempt_at=None)
    held.filter(attempts__gte=MAX_ATTEMPTS).update(
        state=Case(When(indexed_at=None, then=Value(State.FAILED)), default=Value(State.STALE)),
        is_due=False,
        failure=REFUSED,
    )
    held.update(lease_token=None, lease_expires_at=None)


@transaction.atomic
def renew(token: UUID) -> None:
    """Hold what this step still has to do; what is being written at this moment needs no more time."""
    held = IndexedDocument.objects.held_by(token).select_for_update(no_key=True, skip_locked=True)
    ids = list(held.values_list("id", flat=True))
    IndexedDocument.objects.filter(id__in=ids).update(lease_expires_at=Now() + LEASE)


def release(token: UUID) -> None:
    IndexedDocument.objects.held_by(token).change(lease_token=None, lease_expires_at=None)


def due(index: KnowledgeIndex) -> Any:
    """What can be worked on now or is being worked on."""
    return index.ledger.filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=timezone.now()), is_due=True)


def fail(entry: IndexedDocument, failure: Failure, *, token: UUID) -> None:
    """The document keeps its last good version (`stale`) or serves nothing (`failed`)."""
    attempts = entry.attempts + 1
    is_due = failure.is_passing and attempts < MAX_ATTEMPTS
    failed = IndexedDocument.objects.filter(pk=entry.pk, lease_token=token).update(
        state=State.STALE if entry.indexed_at else State.FAILED,
        failure=failure.reason,
        failure_code=failure.code,
        attempts=attempts,
        is_due=is_due,
        next_attempt_at=timezone.now() + BACKOFF[attempts - 1] if is_due else None,
        lease_token=None,
        lease_expires_at=None,
    )
    if failed:
        run_log.say_failure(entry.document, failure.reason, token=token)


def confirm(entries: Sequence[IndexedDocument], *, token: UUID) -> int:
    """What these hold is what the source says: live, nothing to do."""
    held = IndexedDocument.objects.filter(pk__in=[entry.pk for entry in entries], lease_token=token)
    return held.change(
        state=State.LIVE,
        is_due=False,
        failure="",
        failure_code="",
        attempts=0,
        next_attempt_at=None,
        lease_token=None,
        lease_expires_at=None,
    )


# -- Exclusion -------------------------------------------------------------------------------------------------------


@one_transaction
def exclude(documents: Sequence[UUID], *, by: str) -> int:
    """Empty these documents in every generation, and keep them so whatever their source says; returns how many."""
    rows = list(Document.objects.filter(id__in=documents).order_by("id").select_for_update(no_key=True).only("source"))
    entries = IndexedDocument.objects.filter(document__in=rows)
    entries.lock()
    _take_chunks_away({"ids": [row.id for row in rows]}, sources={row.source_id for row in rows})
    entries.update(
        state=State.EXCLUDED,
        is_due=False,
        content_hash="",
        chunk_count=0,
        language="",
        indexed_at=None,
        failure=f"Excluded by {by}." if by else "Excluded.",
        failure_code=EXCLUDED,
        attempts=0,
        next_attempt_at=None,
        lease_token=None,
        lease_expires_at=None,
    )
    return len(rows)


def include(documents: Sequence[UUID]) -> int:
    """Let excluded documents in again: they are due at once."""
    excluded = IndexedDocument.objects.filter(document_id__in=documents, state=State.EXCLUDED)
    return excluded.change(state=State.PENDING, is_due=True, failure="", failure_code="")


def count_states(index: KnowledgeIndex) -> dict[str, int]:
    """How many documents are in each state, every state named."""
    counts = dict(index.ledger.values_list("state").annotate(Count("id")).order_by())
    return {state.value: counts.get(state.value, 0) for state in State}


# -- Deletion --------------------------------------------------------------------------------------------------------

# A word that stands in no other chunk goes; the two parts touch different rows.
TAKE_WORDS_AWAY = """
with gone as (
    select c.index_id, u.lexeme, count(*) as n from knowledge_chunk c cross join lateral unnest(c.lexemes) u
    where c.document_id = any(%(ids)s) group by 1, 2),
removed as (
    delete from knowledge_word w using gone
    where w.index_id = gone.index_id and w.lexeme = gone.lexeme and w.document_frequency <= gone.n)
update knowledge_word w set document_frequency = w.document_frequency - gone.n
from gone where w.index_id = gone.index_id and w.lexeme = gone.lexeme and w.document_frequency > gone.n
"""

TAKE_COUNTS_AWAY = """
with gone as (
    select index_id, count(*) as chunks, sum(lexeme_count) as lexemes from knowledge_chunk
    where document_id = any(%(ids)s) group by index_id)
update knowledge_knowledgeindex i set chunk_count = i.chunk_count - gone.chunks,
    lexeme_total = i.lexeme_total - gone.lexemes
from gone where i.id = gone.index_id
"""


def delete_documents(documents: Sequence[UUID], *, first: Callable[[], object] = lambda: None) -> int:
    """Remove documents from every generation, batch by batch, each batch in one transaction; returns how many.

    Each transaction begins with `first`, which raises when the caller may not delete any more.
    """
    ids = list(documents)
    count = sum(_delete_batch(ids[at : at + DELETE_BATCH], first=first) for at in range(0, len(ids), DELETE_BATCH))
    # Answers that are kept for requests sent twice quote them as well.
    IdempotentRequest.objects.filter(pk__in=IdempotentRequest.objects.naming(ids)).delete()
    return count


@one_transaction
def _delete_batch(ids: list[UUID], *, first: Callable[[], object]) -> int:
    first()
    columns = ("id", "file", "source_id", "remote_key", "title")
    rows = list(Document.objects.filter(id__in=ids).order_by("id").select_for_update().only(*columns))
    found = {"ids": [row.id for row in rows]}
    # Fingerprints, by which a person can have it proved that nothing is left.
    DeletedDocument.objects.bulk_create([DeletedDocument.of(row) for row in rows], ignore_conflicts=True)
    IndexedDocument.objects.filter(document__in=rows).lock()
    _take_chunks_away(found, sources={row.source_id for row in rows})
    with connection.cursor() as cursor:
        cursor.execute("delete from knowledge_disabledchunk where document_id = any(%(ids)s)", found)
        cursor.execute("delete from knowledge_indexeddocument where document_id = any(%(ids)s)", found)
        cursor.execute("delete from knowledge_document where id = any(%(ids)s)", found)
    Trace.objects.blank_documents(found["ids"])
    for blank in _blanked_too:
        blank(found["ids"])
    run_log.forget_documents(found["ids"])
    transaction.on_commit(partial(originals.discard, [row.file.name or "" for row in rows]))
    return len(rows)


def _take_chunks_away(found: dict[str, list[UUID]], *, sources: set[int]) -> None:
    # Documents first, then the ledger, then generations: as indexing does. Nobody else moves these words now.
    lock_generations(sources)
    with connection.cursor() as cursor:
        cursor.execute(TAKE_COUNTS_AWAY, found)
        cursor.execute(TAKE_WORDS_AWAY, found)
        cursor.execute("delete from knowledge_chunk where document_id = any(%(ids)s)", found)


# What floors above keep of documents is emptied in the transaction that deletes them.
_blanked_too: list[Callable[[Sequence[UUID]], object]] = []


def blank_too(blank: Callable[[Sequence[UUID]], object]) -> None:
    """Have `blank` called with documents that are being deleted, in their transaction."""
    _blanked_too.append(blank)


def blank_late_traces(*, younger_than: timedelta = timedelta(days=2)) -> int:
    """Blank what was recorded of documents after they were deleted, because an answer was on its way meanwhile."""
    traces = Trace.objects.filter(started_at__gte=timezone.now() - younger_than).exclude(documents=[])
    named = {document for documents in traces.values_list("documents", flat=True).iterator() for document in documents}
    gone: list[UUID] = []
    for batch in batched(named, DELETE_BATCH):
        gone += set(batch) - set(Document.objects.filter(id__in=batch).values_list("id", flat=True))
    return int(Trace.objects.blank_documents(gone)) if gone else 0


def batched(values: Iterable[UUID], size: int) -> Iterator[list[UUID]]:
    waiting = iter(values)
    while batch := list(islice(waiting, size)):
        yield batch


def lock_generations(sources: Iterable[int]) -> None:
    """Wait for, and hold off, everybody else who changes the words of these sources, until the transaction ends."""
    generations = KnowledgeIndex.objects.filter(source_id__in=sources).order_by("id")
    list(generations.select_for_update(no_key=True).values_list("id"))


def delete_source(source: KnowledgeSource) -> int:
    """Remove a source with all that it holds; returns how many documents. Raises StillInUse, naming who uses it."""
    refuse_when_used(source, uses_of(source))
    source.runs.stop()
    count = delete_documents(list(source.documents.values_list("id", flat=True)))
    with transaction.atomic():
        # With its key: nothing more can be added to it. What was handed in since then goes too.
        list(KnowledgeSource.objects.filter(pk=source.pk).select_for_update(of=("self",)))
        source.runs.stop()
        count += delete_documents(list(source.documents.values_list("id", flat=True)))
        AuditEntry.record("deleted", source, documents=count)
        source.delete()
    return count
