"""A complete listing, compared with what is known: what is new, what changed, what is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from psycopg.types.json import Jsonb

from knowledge import document_fields, ledger, originals
from knowledge.connectors.base import Connector, Gone, ListingItem, RemoteDocument, Rest
from knowledge.models import Document, KnowledgeIndex, KnowledgeSource, ListedName, SyncRun
from knowledge.models.documents import MAX_REMOTE_ID_CHARACTERS, remote_key
from magnet.callers import normalized_groups
from magnet.cleaning import storable
from magnet.errors import ListingFailed, SourceError

BATCH = 1_000
DESCRIPTION = ("given_title", "url", "media_type", "metadata", "groups")
NAMED = ("remote_key", *DESCRIPTION, "version")

COMPARE = """
with named as (
    select * from unnest(%(remote_key)s::text[], %(given_title)s::text[], %(url)s::text[], %(media_type)s::text[],
        %(metadata)s::jsonb[], %(groups)s::jsonb[], %(version)s::text[])
    as n(remote_key, given_title, url, media_type, metadata, groups, version)
), fresh as (
    insert into knowledge_listedname (source_id, remote_key) select %(source)s, remote_key from named
    on conflict do nothing returning remote_key
)
select count(*), array_agg(n.remote_key) filter (where d.id is null),
    array_agg(n.remote_key) filter (where d.id is not null and (
        (d.version, d.given_title, d.url, d.metadata) <> (n.version, n.given_title, n.url, n.metadata)
        or to_jsonb(d.groups) is distinct from n.groups
        or n.media_type not in ('', d.media_type)))
from fresh join named n using (remote_key)
    left join knowledge_document d on d.source_id = %(source)s and d.remote_key = n.remote_key
"""
# The ORM would write a case for each column of each row, which takes ten times as long.
UPDATE = """
update knowledge_document d
set given_title = n.given_title, url = n.url, media_type = n.media_type, metadata = n.metadata,
    groups = case when n.groups is not null then array(select jsonb_array_elements_text(n.groups)) end,
    title = n.title, version = n.version, fetched_version = n.fetched_version, file = n.file, file_hash = n.file_hash,
    file_bytes = n.file_bytes, content_hash = n.content_hash, changed_at = n.changed_at
from unnest(%(id)s::uuid[], %(given_title)s::text[], %(url)s::text[], %(media_type)s::text[], %(metadata)s::jsonb[],
    %(groups)s::jsonb[], %(title)s::text[], %(version)s::text[], %(fetched_version)s::text[], %(file)s::text[],
    %(file_hash)s::text[], %(file_bytes)s::bigint[], %(content_hash)s::text[], %(changed_at)s::timestamptz[])
    as n(id, given_title, url, media_type, metadata, groups, title, version, fetched_version, file, file_hash,
        file_bytes, content_hash, changed_at)
where d.id = n.id
"""
UPDATED = (
    "id", *DESCRIPTION, "title", "version", "fetched_version", "file", "file_hash", "file_bytes", "content_hash",
    "changed_at",
)  # fmt: skip
GONE = """
select d.id from knowledge_document d
where d.source_id = %(source)s and (%(all)s or d.remote_key = any(%(named)s))
    and not exists (select from knowledge_listedname l where l.source_id = %(source)s and l.remote_key = d.remote_key)
"""
CUT_SHORT = "The database was restarted while the source was listed. Nothing was deleted; sync again."


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
    unfit: int = 0
    first_unfit: str = ""

    def documents(self, items: Iterable[ListingItem]) -> Iterator[RemoteDocument]:
        for item in items:
            if isinstance(item, Rest):
                self.keeps_the_rest = True
            elif isinstance(item, Gone):
                self.gone.add(remote_key(item.remote_id))
            elif not 0 < len(item.remote_id) <= MAX_REMOTE_ID_CHARACTERS:
                self.unfit += 1
                self.first_unfit = self.first_unfit or item.remote_id[:80]
            else:
                # Deleted and made again under the same id.
                self.gone.discard(remote_key(item.remote_id))
                yield item

    @property
    def notice(self) -> str:
        if not self.unfit:
            return ""
        return (
            f"Left out {self.unfit:,}, because the id (the address, the path) has no or more than "
            f"{MAX_REMOTE_ID_CHARACTERS:,} characters: {self.first_unfit}…."
        )


def take_stock(run: SyncRun, index: KnowledgeIndex, connector: Connector, *, token: UUID) -> Stock:
    """Store what the source lists; says which documents are gone.

    Nothing is deleted here. An incomplete listing raises ListingFailed and leaves only additions and changes.
    """
    listing, heard, named = uuid4(), Heard(), 0
    # What a listing that died has left.
    _forget(run, token=token, listed=0, added=0, changed=0, unchanged=0)
    try:
        for batch in _batches(heard.documents(connector.list(Known(run.source)))):
            named += _store(run, index, batch, listing=listing, token=token)
        return _close(run, heard, storable(connector.state), named=named, token=token)
    except SourceError:
        _forget(run, token=token)
        raise


@transaction.atomic
def _forget(run: SyncRun, *, token: UUID, **changes: Any) -> None:
    # The run's row first: the names may be those of another step by now.
    run.note(token, **changes)
    _names(run).delete()


@transaction.atomic
def _close(run: SyncRun, heard: Heard, state: dict[str, Any], *, named: int, token: UUID) -> Stock:
    notice = " ".join(said for said in (str(state.get("notice") or ""), heard.notice) if said)
    # The run's row first: to a late step, all that another one has listed meanwhile would seem to be gone.
    run.note(token, **({"notice": notice} if notice else {}))
    if _names(run).count() != named:
        raise ListingFailed(CUT_SHORT)
    with connection.cursor() as cursor:
        given: dict[str, Any] = {"source": run.source_id, "named": list(heard.gone), "all": not heard.keeps_the_rest}
        cursor.execute(GONE, given)
        gone = [document for (document,) in cursor.fetchall()]
    _names(run).delete()
    return Stock(gone, state)


def _names(run: SyncRun) -> Any:
    """What this listing has named: in a table, so that no connection is held while the source is waited for."""
    return ListedName.objects.filter(source=run.source_id)


def _batches(documents: Iterator[RemoteDocument]) -> Iterator[list[RemoteDocument]]:
    while batch := list(islice(documents, BATCH)):
        yield batch


def _store(run: SyncRun, index: KnowledgeIndex, batch: list[RemoteDocument], *, listing: UUID, token: UUID) -> int:
    """Returns how many were named for the first time; a batch that is handed in again counts no second time."""
    named = {remote_key(remote.remote_id): remote for remote in batch}
    with transaction.atomic():
        KnowledgeSource.objects.keep(run.source_id)
        # The run's row before the others: a step that has lost its lease stops before it writes.
        run.note(token)
        fresh, new, different = _compare(run.source_id, named, listing=listing)
        found = Document.objects.filter(source=run.source_id, remote_key__in=different).without_body().order_by("pk")
        changed, old_files = _update(found.select_for_update(of=("self",), no_key=True), named, listing=listing)
        if new:
            _insert(run.source, index, {key: named[key] for key in new}, listing=listing)
        counts = {"listed": fresh, "added": len(new), "changed": changed, "unchanged": fresh - len(new) - changed}
        run.note(token, **{name: F(name) + count for name, count in counts.items()})
        transaction.on_commit(partial(originals.discard, old_files))
    return fresh


def _compare(
    source: int, named: dict[str, RemoteDocument], *, listing: UUID
) -> tuple[int, Sequence[str], Sequence[str]]:
    """How many are named for the first time by this listing, and which of those are new, and which differ."""
    columns: dict[str, list[Any]] = {name: [] for name in NAMED}
    for key, remote in named.items():
        columns["remote_key"].append(key)
        for name, value in _described(remote, listing=listing).items():
            columns[name].append(Jsonb(value) if name in ("metadata", "groups") and value is not None else value)
    with connection.cursor() as cursor:
        cursor.execute(COMPARE, {**columns, "source": source})
        fresh, new, different = cursor.fetchone()
    return fresh, new or (), different or ()


def _insert(source: KnowledgeSource, index: KnowledgeIndex, new: dict[str, RemoteDocument], *, listing: UUID) -> None:
    rows = [
        describe(Document(source=source, remote_id=storable(remote.remote_id), remote_key=key), remote, listing=listing)
        for key, remote in new.items()
    ]
    Document.objects.bulk_create(rows)
    ledger.add(index, rows)


def _update(known: Iterable[Document], named: dict[str, RemoteDocument], *, listing: UUID) -> tuple[int, list[str]]:
    """Bring known documents up to date; returns how many changed, and the names of files that were replaced."""
    changed, old_files = [], []
    for document in known:
        before, old_file = _state(document), document.file.name
        describe(document, named[document.remote_key], listing=listing)
        if _state(document) != before:
            document.changed_at = timezone.now()
            changed.append(document)
            old_files += [old_file] if old_file and old_file != document.file.name else []
    if changed:
        _write(changed)
    ledger.make_due([document.id for document in changed])
    document_fields.follow(changed)
    return len(changed), old_files


def _write(documents: Sequence[Document]) -> None:
    columns: dict[str, list[Any]] = {name: [getattr(document, name) for document in documents] for name in UPDATED}
    columns["file"] = [file.name or "" for file in columns["file"]]
    for name in ("metadata", "groups"):
        columns[name] = [value if value is None else Jsonb(value) for value in columns[name]]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE, columns)


def _state(document: Document) -> tuple[Any, ...]:
    return (*(getattr(document, name) for name in DESCRIPTION), document.version, document.content_hash)


def _described(remote: RemoteDocument, *, listing: UUID) -> dict[str, Any]:
    """What the source says of a document, as it is stored."""
    return {
        "given_title": storable(remote.title)[:1_000],
        "url": storable(remote.url)[:4_000],
        "media_type": remote.media_type[:200],
        "metadata": storable(dict(remote.metadata)),
        "groups": None if remote.groups is None else list(normalized_groups(remote.groups)),
        # Without a version the content must be fetched each time: every listing is a version of its own.
        "version": (remote.version or f"listing {listing}")[:500],
    }


def describe(document: Document, remote: RemoteDocument, *, listing: UUID) -> Document:
    """Take over what the source says of a document (not saved); its content too, where the listing had it."""
    said = _described(remote, listing=listing)
    version, said["media_type"] = said.pop("version"), said["media_type"] or document.media_type
    for name, value in said.items():
        setattr(document, name, value)
    document.title = document.given_title or document.title
    if version == document.version:
        return document
    document.version = version
    if remote.content is not None:
        original = originals.keep(remote.content.body, filename=remote.content.filename or remote.remote_id)
        if original.sha256 != document.file_hash:
            document.content_hash = ""
        document.file, document.file_hash, document.file_bytes = original.name, original.sha256, original.size
        document.media_type = (remote.content.media_type or document.media_type)[:200]
        document.fetched_version = version
    return document
