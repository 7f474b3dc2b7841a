"""A complete listing, compared with what is known: what is new, what changed, what is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from knowledge import ledger, originals
from knowledge.connectors.base import Connector, Gone, ListingItem, RemoteDocument, Rest
from knowledge.models import Document, KnowledgeIndex, KnowledgeSource, SyncRun
from knowledge.models.documents import MAX_REMOTE_ID_CHARACTERS, remote_key
from magnet.callers import normalized_groups
from magnet.cleaning import storable

BATCH = 200
DESCRIPTION = ("given_title", "url", "media_type", "metadata", "groups")


@dataclass
class Stock:
    """What a complete listing has shown: the documents that are gone, and the connector's state for the next one."""

    gone: list[UUID]
    connector_state: dict[str, Any]


class Known(Mapping[str, str]):
    """The stored version of each document by its remote_id, read when somebody asks: a cursor needs none of it."""

    def __init__(self, source: KnowledgeSource) -> None:
        self.source = source

    @cached_property
    def versions(self) -> dict[str, str]:
        return dict(self.source.documents.values_list("remote_id", "version"))

    def __getitem__(self, remote_id: str) -> str:
        return self.versions[remote_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.versions)

    def __len__(self) -> int:
        return len(self.versions)


@dataclass
class Heard:
    """Beside its documents, what a listing by a cursor says of the others."""

    keeps_the_rest: bool = False
    gone: set[str] = field(default_factory=set)

    def documents(self, items: Iterable[ListingItem]) -> Iterator[RemoteDocument]:
        for item in items:
            if isinstance(item, Rest):
                self.keeps_the_rest = True
            elif isinstance(item, Gone):
                self.gone.add(remote_key(item.remote_id))
            else:
                # Deleted and made again under the same id.
                self.gone.discard(remote_key(item.remote_id))
                yield item


def take_stock(run: SyncRun, index: KnowledgeIndex, connector: Connector, *, token: UUID) -> Stock:
    """Store what the source lists; says which documents are gone.

    Nothing is deleted here. An incomplete listing raises ListingFailed and leaves only additions and changes.
    """
    listing, heard = uuid4(), Heard()
    run.note(token, listed=0, added=0, changed=0, unchanged=0)
    for batch in _batches(heard.documents(connector.list(Known(run.source)))):
        _store(run, index, batch, listing=listing, token=token)
    state = storable(connector.state)
    with transaction.atomic():
        # The run's row first: to a late step, all that another one has listed meanwhile would seem to be gone.
        run.note(token, **({"notice": str(state["notice"])} if state.get("notice") else {}))
        gone = run.source.documents.exclude(listed_by=listing)
        if heard.keeps_the_rest:
            gone = gone.filter(remote_key__in=heard.gone)
        return Stock(list(gone.values_list("id", flat=True)), state)


def _batches(documents: Iterator[RemoteDocument]) -> Iterator[list[RemoteDocument]]:
    while batch := list(islice(documents, BATCH)):
        yield batch


def _store(run: SyncRun, index: KnowledgeIndex, batch: list[RemoteDocument], *, listing: UUID, token: UUID) -> None:
    named = {remote_key(remote.remote_id): remote for remote in batch if _fits(remote)}
    with transaction.atomic():
        # The run's row first: a step that has lost its lease stops before it writes.
        run.note(token, listed=F("listed") + len(named))
        found = run.source.documents.filter(remote_key__in=named).without_body().order_by("pk")
        known = {row.remote_key: row for row in found.select_for_update(of=("self",), no_key=True)}
        old_files = _update(run, known.values(), named, listing=listing, token=token)
        new = {key: remote for key, remote in named.items() if key not in known}
        _insert(run, index, new, listing=listing, token=token)
        transaction.on_commit(partial(originals.discard, old_files))


def _fits(remote: RemoteDocument) -> bool:
    return 0 < len(remote.remote_id) <= MAX_REMOTE_ID_CHARACTERS


def _insert(run: SyncRun, index: KnowledgeIndex, new: dict[str, RemoteDocument], *, listing: UUID, token: UUID) -> None:
    rows = [
        Document(source=run.source, remote_id=storable(remote.remote_id), remote_key=key, listed_by=listing)
        for key, remote in new.items()
    ]
    for row, remote in zip(rows, new.values(), strict=True):
        describe(row, remote, listing=listing)
    Document.objects.bulk_create(rows)
    ledger.add(index, [row.id for row in rows])
    run.note(token, added=F("added") + len(rows))


def _update(
    run: SyncRun,
    known: Iterable[Document],
    named: dict[str, RemoteDocument],
    *,
    listing: UUID,
    token: UUID,
) -> list[str]:
    """Bring known documents up to date; returns the names of files that were replaced."""
    changed, old_files, fresh = [], [], 0
    for document in known:
        if document.listed_by == listing:
            continue  # Named twice by one listing.
        fresh += 1
        before, old_file = _state(document), document.file.name
        describe(document, named[document.remote_key], listing=listing)
        document.listed_by = listing
        if _state(document) != before:
            document.changed_at = timezone.now()
            changed.append(document)
            old_files += [old_file] if old_file and old_file != document.file.name else []
    columns = [*DESCRIPTION, "title", "version", "fetched_version", "file", "file_hash", "file_bytes"]
    Document.objects.bulk_update(changed, [*columns, "content_hash", "changed_at"])
    Document.objects.filter(source_id=run.source_id, remote_key__in=named).update(listed_by=listing)
    ledger.make_due([document.id for document in changed])
    run.note(token, changed=F("changed") + len(changed), unchanged=F("unchanged") + fresh - len(changed))
    return old_files


def _state(document: Document) -> tuple[Any, ...]:
    return (*(getattr(document, name) for name in DESCRIPTION), document.version, document.content_hash)


def describe(document: Document, remote: RemoteDocument, *, listing: UUID) -> None:
    """Take over what the source says of a document (not saved); its content too, where the listing had it."""
    document.given_title = storable(remote.title)[:1_000]
    document.title = document.given_title or document.title
    document.url = storable(remote.url)[:4_000]
    document.media_type = (remote.media_type or document.media_type)[:200]
    document.metadata = storable(dict(remote.metadata))
    document.groups = None if remote.groups is None else list(normalized_groups(remote.groups))
    # Without a version the content must be fetched each time: every listing is a version of its own.
    version = (remote.version or f"listing {listing}")[:500]
    if version == document.version:
        return
    document.version = version
    if remote.content is not None:
        original = originals.keep(remote.content.body, filename=remote.content.filename or remote.remote_id)
        if original.sha256 != document.file_hash:
            document.content_hash = ""
        document.file, document.file_hash, document.file_bytes = original.name, original.sha256, original.size
        document.media_type = (remote.content.media_type or document.media_type)[:200]
        document.fetched_version = version
