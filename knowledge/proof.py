"""Proof of deletion: looks for a document in every place where it, or a part of it, could still be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from knowledge import vector_lag, vectors
from knowledge.models import Chunk, DeletedDocument, DisabledChunk, Document, IndexedDocument, KnowledgeSource
from knowledge.models.deletions import title_key
from knowledge.models.documents import remote_key
from magnet.callers import current_caller
from magnet.errors import NotAllowed, VectorStoreUnavailable
from magnet.models import AuditEntry, IdempotentRequest, SpanPayload

WORDS_SECONDS = 20
MOST_NAMED = 5

# Words of the source's list that stand in no chunk of it: what a document that is gone would have left there.
STRAY_WORDS = """
with held as (
    select distinct c.index_id, u.lexeme from knowledge_chunk c cross join lateral unnest(c.lexemes) u
    where c.index_id = any(%(indexes)s))
select count(*) from knowledge_word w left join held h using (index_id, lexeme)
where w.index_id = any(%(indexes)s) and h.lexeme is null
"""


@dataclass(frozen=True)
class Check:
    """One place that was searched; `found` is None where it could not be searched in time, and `where` says so."""

    place: str
    label: str
    found: int | None
    where: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proof:
    """What was found of a document at a moment; `deleted_at` is None where no deletion of it is known."""

    source: KnowledgeSource
    wanted: str
    at: datetime
    deleted_at: datetime | None
    checks: tuple[Check, ...]
    outside: tuple[str, ...]

    @property
    def is_gone(self) -> bool:
        return all(check.found == 0 for check in self.checks)


@dataclass(frozen=True)
class Wanted:
    """What is looked for: documents that are there under this name, and the ids and files of those that were."""

    source: KnowledgeSource
    there: Sequence[Document]
    ids: frozenset[UUID]
    files: frozenset[str]


def prove(source: KnowledgeSource, name: str, *, document_id: UUID | None = None) -> Proof:
    """Search for a document by its id in the source or its title, and by its former id where that is known.

    Raises NotAllowed for who may not find every document: a proof tells whether there is one, or was.
    """
    if current_caller().groups is not None:
        raise NotAllowed(
            _("A proof tells of every document, so it needs the right to find them whatever groups they are for.")
        )
    key = name.strip()
    gone = list(
        source.deleted_documents.filter(
            Q(remote_key=remote_key(key)) | Q(title_key=title_key(key)) | Q(pk=document_id or UUID(int=0))
        )
    )
    there = list(
        source.documents.filter(
            Q(remote_key=remote_key(key)) | Q(title__iexact=key) | Q(pk=document_id or UUID(int=0))
        ).without_body()
    )
    ids = {row.pk for row in (*gone, *there)} | ({document_id} if document_id else set())
    files = {str(row.file) for row in gone if row.file} | {str(row.file.name) for row in there if row.file}
    wanted = Wanted(source, there, frozenset(ids), frozenset(files))
    checks = tuple(check(wanted) for check in CHECKS) + (_copies(wanted),) * vectors.is_external()
    proof = Proof(
        source=source,
        wanted=key,
        at=timezone.now(),
        deleted_at=max((row.deleted_at for row in gone), default=None),
        checks=checks,
        outside=outside(source),
    )
    found = sum(check.found or 0 for check in checks)
    AuditEntry.record("asked for proof of deletion in", source, found=found, is_gone=proof.is_gone)
    return proof


# -- The places ------------------------------------------------------------------------------------------------------


def _documents(wanted: Wanted) -> Check:
    names = tuple(f"{row} ({row.remote_id})"[:300] for row in wanted.there[:MOST_NAMED])
    return Check("documents", _("Documents"), len(wanted.there), names)


def _ledger(wanted: Wanted) -> Check:
    rows = IndexedDocument.objects.filter(document_id__in=wanted.ids).count()
    rows += DisabledChunk.objects.filter(document_id__in=wanted.ids).count()
    return Check("ledger", _("Ledger"), rows)


def _chunks(wanted: Wanted) -> Check:
    return Check("chunks", _("Chunks"), Chunk.objects.filter(document_id__in=wanted.ids).count())


def _vectors(wanted: Wanted) -> Check:
    rows = Chunk.objects.filter(document_id__in=wanted.ids).exclude(embedding=None)
    return Check("vectors", _("Vectors"), rows.count())


def _copies(wanted: Wanted) -> Check:
    """What the store beside PostgreSQL holds of these documents, and of chunks that are no more: whose those were,
    nobody can say."""
    label = _("Vectors in %(store)s") % {"store": vectors.chosen().label}
    indexes = list(wanted.source.indexes.values_list("pk", flat=True))
    try:
        found = vector_lag.remains_of(wanted.ids, indexes=indexes)
    except VectorStoreUnavailable as error:
        return Check("vector_store", label, None, (_("It could not be asked: %(why)s") % {"why": error.detail},))
    except TimeoutError:
        said = _("The copy is too large to be looked through in time: `manage.py sync_vectors --check` does it.")
        return Check("vector_store", label, None, (said,))
    return Check("vector_store", label, found.on_their_way + found.left, tuple(_told_of(found)))


def _told_of(found: vector_lag.Remains) -> Iterator[str]:
    if found.on_their_way and found.oldest_at:
        seconds = round((timezone.now() - found.oldest_at).total_seconds())
        about = {"n": f"{found.on_their_way:,}", "seconds": f"{seconds:,}"}
        yield _("Still %(n)s, of this document or another: the copy lags by %(seconds)s s.") % about
    if found.left:
        one = "%(n)s belongs to no chunk or to a document that is there."
        many = "%(n)s belong to no chunk or to a document that is there."
        yield ngettext(one, many, found.left) % {"n": f"{found.left:,}"}
        yield _("`manage.py sync_vectors --check` removes what belongs to no chunk.")


def _words(wanted: Wanted) -> Check:
    """Words that stood in that document only would be in the list, and in no chunk."""
    label = _("Words that stood only there")
    indexes = list(wanted.source.indexes.values_list("pk", flat=True))
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("select set_config('statement_timeout', %s, true)", [f"{WORDS_SECONDS}s"])
            cursor.execute(STRAY_WORDS, {"indexes": indexes})
            return Check("words", label, int(cursor.fetchone()[0]))
    except OperationalError:
        return Check("words", label, None, (_("The source is too large to look through its words in time."),))


def _files(wanted: Wanted) -> Check:
    """A file is named by its content, so one that other documents hold as well has to stay."""
    mine = {row.pk for row in wanted.there}
    others = Document.objects.filter(file__in=wanted.files).exclude(pk__in=mine)
    shared = dict(others.values_list("file", "title"))
    left = [name for name in sorted(wanted.files) if name not in shared and default_storage.exists(name)]
    kept = tuple(_("The same content belongs to “%(title)s”.") % {"title": title} for title in shared.values())
    return Check("files", _("Original files"), len(left), (*left[:MOST_NAMED], *kept[:MOST_NAMED]))


def _snapshots(wanted: Wanted) -> Check:
    rows = SpanPayload.objects.filter(span__trace__documents__overlap=list(wanted.ids))
    with_text = rows.exclude(input=None, output=None) if wanted.ids else rows.none()
    return Check("snapshots", _("Texts kept in traces"), with_text.filter(is_blanked=False).count())


def _replies(wanted: Wanted) -> Check:
    kept = IdempotentRequest.objects.naming(wanted.ids)
    return Check("replies", _("Answers kept for repeated requests"), len(kept))


CHECKS: tuple[Callable[[Wanted], Check], ...] = (
    _documents, _ledger, _chunks, _vectors, _words, _files, _snapshots, _replies,
)  # fmt: skip


def outside(source: KnowledgeSource) -> tuple[str, ...]:
    """What this installation cannot search."""
    said = [
        _("Backups that were made before the deletion hold it until they are removed."),
        _("Answers that were given before stay with those who received them. Their figures stay in traces here."),
        _("A model provider may keep for a while what was sent to it, by its own terms."),
    ]
    if not source.is_pushed:
        said.append(_("The source itself: while it has the document, the next sync brings it back."))
    return tuple(said)


def as_json(proof: Proof) -> dict[str, Any]:
    return {
        "source": proof.source.slug,
        "wanted": proof.wanted,
        "is_gone": proof.is_gone,
        "checked_at": proof.at,
        "deleted_at": proof.deleted_at,
        "checks": [{"place": check.place, "found": check.found, "where": list(check.where)} for check in proof.checks],
        "outside": list(proof.outside),
    }


def of_deleted(document_id: UUID) -> DeletedDocument | None:
    """The fingerprints of a document that was deleted under this id."""
    return DeletedDocument.objects.select_related("source").filter(pk=document_id).first()
