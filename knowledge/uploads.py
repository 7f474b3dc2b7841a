"""Documents that are uploaded, and what is done with single ones: push, describe, delete, retry, exclude, include."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from knowledge import document_fields, ledger, originals, sync
from knowledge.models import Document, KnowledgeSource, SyncRun
from knowledge.models.documents import MAX_REMOTE_ID_CHARACTERS, remote_key
from magnet.callers import current_caller, normalized_groups
from magnet.cleaning import storable
from magnet.database import one_transaction
from magnet.errors import Conflict, InvalidInput, NotFound
from magnet.models import AuditEntry

MAX_DOCUMENTS_AT_ONCE = 1_000
MAX_METADATA_CHARACTERS = 100_000
MAX_METADATA_DEPTH = 10
COLUMNS = (
    "given_title",
    "title",
    "url",
    "media_type",
    "metadata",
    "groups",
    "version",
    "fetched_version",
    "incoming_text",
    "file",
    "file_hash",
    "file_bytes",
    "content_hash",
    "changed_at",
)


@dataclass(frozen=True)
class PushedDocument:
    """A document as it is uploaded: with its `text`, or with the `body` of a file."""

    remote_id: str
    title: str = ""
    url: str = ""
    text: str | None = None
    body: bytes | None = None
    filename: str = ""
    media_type: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] | None = None

    @property
    def version(self) -> str:
        """The sha256 of all that was uploaded: the same again changes nothing."""
        digest = hashlib.sha256()
        described = (self.title, self.url, self.media_type, sorted(self.metadata.items(), key=str), self.groups)
        for part in (repr(described).encode(), (self.text or "").encode(errors="replace"), self.body or b""):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()


@dataclass(frozen=True)
class Pushed:
    """What became of a push; `run` indexes it, None when nothing has changed."""

    run: SyncRun | None
    added: int
    changed: int
    unchanged: int


def push(source: KnowledgeSource, documents: Sequence[PushedDocument], *, trigger: str = SyncRun.PUSH) -> Pushed:
    """Take documents in; they are stored when this returns and indexed by a run soon after.

    Idempotent by remote_id. Raises Conflict on a source that lists its documents itself, InvalidInput on bad ids.
    """
    _check(source, documents)
    # Before the source is held: who waits for it must not wait for the disk.
    originals.flush([_keep(item.body, item).name for item in documents if item.body is not None])
    return _take_in(source, {remote_key(document.remote_id): document for document in documents}, trigger=trigger)


@one_transaction
def _take_in(source: KnowledgeSource, named: Mapping[str, PushedDocument], *, trigger: str) -> Pushed:
    # Held until the run is sure to be there: a run that is about to finish waits and then sees these.
    KnowledgeSource.objects.hold(source.pk)
    list(source.runs.unfinished().select_for_update(of=("self",), no_key=True).values_list("pk"))
    index = ledger.ensure_index(source)
    rows = source.documents.filter(remote_key__in=named).without_body().order_by("pk")
    # In the order in which a step locks them, too.
    known = {row.remote_key: row for row in rows.select_for_update(of=("self",), no_key=True)}
    changed = [row for key, row in known.items() if not _is_the_same(row, named[key])]
    old_files = [row.file.name or "" for row in changed]
    for row in changed:
        _take_over(row, named[row.remote_key])
    new = [
        _take_over(Document(source=source, remote_id=item.remote_id, remote_key=key), item)
        for key, item in named.items()
        if key not in known
    ]
    Document.objects.bulk_create(new)
    Document.objects.bulk_update(changed, COLUMNS)
    ledger.add(index, new)
    ledger.make_due([row.id for row in changed])
    document_fields.follow(changed)
    run = sync.start(source, trigger=SyncRun.PUSH) if new or changed else None
    if run is not None:
        # The receipt of the run that indexes them says what was uploaded.
        counts = {"added": F("added") + len(new), "changed": F("changed") + len(changed)}
        SyncRun.objects.filter(pk=run.pk).update(**counts)
        AuditEntry.record("uploaded documents to", source, added=len(new), changed=len(changed), by=trigger)
    transaction.on_commit(partial(originals.discard, old_files))
    return Pushed(run, len(new), len(changed), len(known) - len(changed))


def _is_the_same(row: Document, pushed: PushedDocument) -> bool:
    """Whether all of it is there already; the metadata may have been changed since it was uploaded."""
    same: bool = row.version == pushed.version and row.metadata == storable(dict(pushed.metadata))
    return same


def _keep(body: bytes, document: PushedDocument) -> originals.Original:
    return originals.keep(body, filename=document.filename or document.remote_id, is_flushed=False)


def _check(source: KnowledgeSource, documents: Sequence[PushedDocument]) -> None:
    if not source.is_pushed:
        raise Conflict(
            f"“{source.name}” lists its documents itself ({source.connector}). Upload documents to a source with the "
            f"connector `upload`."
        )
    if len(documents) > MAX_DOCUMENTS_AT_ONCE:
        raise InvalidInput(f"Upload at most {MAX_DOCUMENTS_AT_ONCE:,} documents at once.")
    seen: set[str] = set()
    for document in documents:
        check_remote_id(document.remote_id)
        if document.remote_id in seen:
            # One of them would be lost, and we could only guess which.
            raise InvalidInput(
                f"The remote_id “{document.remote_id[:200]}” is sent twice. Give each document an id of its own; files "
                f"are named by their file names unless you send a remote_id for each."
            )
        seen.add(document.remote_id)
        if document.text is None and document.body is None:
            raise InvalidInput(f"The document “{document.remote_id[:200]}” has no text.")
        check_metadata(document)


def check_metadata(document: PushedDocument) -> None:
    """Refuse what the database cannot hold, and what no filter could use."""
    try:
        size = len(json.dumps(dict(document.metadata), allow_nan=False))
    except (ValueError, RecursionError):
        size = None
    if size is None or _is_deep(document.metadata, levels=MAX_METADATA_DEPTH) or size > MAX_METADATA_CHARACTERS:
        raise InvalidInput(
            f"The metadata of “{document.remote_id[:200]}” does not fit: it may have {MAX_METADATA_CHARACTERS:,} "
            f"characters as JSON, {MAX_METADATA_DEPTH} levels, and no NaN or Infinity."
        )


def _is_deep(value: Any, *, levels: int) -> bool:
    """Looks no deeper than `levels`, however deep the value is."""
    if not isinstance(value, Mapping | list):
        return False
    inside = value.values() if isinstance(value, Mapping) else value
    return levels == 0 or any(_is_deep(item, levels=levels - 1) for item in inside)


def check_remote_id(remote_id: str) -> None:
    if not remote_id.strip():
        raise InvalidInput("A document needs a remote_id: its stable id in your system.")
    if len(remote_id) > MAX_REMOTE_ID_CHARACTERS:
        raise InvalidInput(f"A remote_id has at most {MAX_REMOTE_ID_CHARACTERS:,} characters.")
    if storable(remote_id) != remote_id:
        raise InvalidInput("A remote_id cannot hold NUL or broken characters.")


def _take_over(row: Document, pushed: PushedDocument) -> Document:
    row.given_title = storable(pushed.title)[:1_000]
    row.title = row.given_title or row.title or PurePosixPath(pushed.remote_id).name[:1_000]
    row.url = storable(pushed.url)[:4_000]
    row.media_type = storable(pushed.media_type)[:200]
    row.metadata = storable(dict(pushed.metadata))
    row.groups = None if pushed.groups is None else list(normalized_groups(pushed.groups))
    row.version = row.fetched_version = pushed.version
    row.content_hash = ""
    row.changed_at = timezone.now()
    row.incoming_text = storable(pushed.text) if pushed.text is not None else None
    if pushed.body is not None:
        # Written already; asked again, because somebody may have discarded it as nobody's in the meantime.
        original = originals.keep(pushed.body, filename=pushed.filename or pushed.remote_id)
        row.file, row.file_hash, row.file_bytes = original.name, original.sha256, original.size
    else:
        row.file, row.file_hash, row.file_bytes = "", "", 0
    return row


@one_transaction
def change_metadata(document: Document, metadata: Mapping[str, Any]) -> bool:
    """Give an uploaded document other metadata; filters see it at once, and nothing is read or embedded again.

    Returns whether anything is new. Raises Conflict where the source itself says it, InvalidInput for what no filter
    could use.
    """
    source = document.source
    if not source.is_pushed:
        raise Conflict(f"“{source.name}” says itself what metadata its documents have ({source.connector}).")
    check_metadata(PushedDocument(document.remote_id, metadata=metadata))
    # As a push does: nobody begins a generation in between with what was there before.
    KnowledgeSource.objects.hold(source.pk)
    row = source.documents.without_body().select_for_update(of=("self",), no_key=True).filter(pk=document.pk).first()
    if row is None:
        raise NotFound("This document is gone: somebody has deleted it meanwhile.")
    new = storable(dict(metadata))
    # As JSON, where 1 is not true.
    if json.dumps(row.metadata, sort_keys=True) == json.dumps(new, sort_keys=True):
        return False
    row.metadata, row.changed_at = new, timezone.now()
    row.save(update_fields=["metadata", "changed_at"])
    document_fields.follow([row])
    AuditEntry.record("changed the metadata of", row, source=source.slug, remote_key=row.remote_key)
    return True


@one_transaction
def delete(document: Document) -> None:
    """Remove a document from every generation; after the commit no search, answer or page finds it."""
    AuditEntry.record("deleted", document, source=document.source.slug, remote_key=document.remote_key)
    ledger.delete_documents([document.pk])


def retry(documents: Iterable[Document]) -> list[SyncRun]:
    """Try failed or stale documents again, whatever their attempts; returns the runs that do it."""
    return _retry(list(documents))


@one_transaction
def _retry(rows: Sequence[Document]) -> list[SyncRun]:
    sources = {row.source_id: row.source for row in rows}
    # The sources first, which starting locks, and in one order: so do pushes, and neither waits for the other for ever.
    runs = [sync.start(source, trigger=SyncRun.RETRY) for _, source in sorted(sources.items())]
    ledger.make_due([row.pk for row in rows])
    return runs


def exclude(documents: Iterable[Document]) -> int:
    """Take documents out of every generation until somebody includes them again; no search finds them afterwards."""
    return _exclude(list(documents))


@one_transaction
def _exclude(rows: Sequence[Document]) -> int:
    for row in rows:
        AuditEntry.record("excluded", row, source=row.source.slug, remote_key=row.remote_key)
    return ledger.exclude([row.pk for row in rows], by=current_caller().label)


def include(documents: Iterable[Document]) -> list[SyncRun]:
    """Let excluded documents in again, with what their source says of them now; returns the runs that index them."""
    return _include(list(documents))


@one_transaction
def _include(rows: Sequence[Document]) -> list[SyncRun]:
    sources = {row.source_id: row.source for row in rows}
    runs = [sync.start(source, trigger=SyncRun.RETRY) for _, source in sorted(sources.items())]
    for row in rows:
        AuditEntry.record("included", row, source=row.source.slug, remote_key=row.remote_key)
    ledger.include([row.pk for row in rows])
    return runs
