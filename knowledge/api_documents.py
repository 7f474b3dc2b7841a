"""Documents over the API: uploaded as files or JSON, listed by state, read, tried again, deleted.

A remote_id may hold slashes; so the paths that name one take everything to their end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from knowledge import proof, uploads
from knowledge.api import find as find_source
from knowledge.api_runs import show_run
from knowledge.models import Document, IndexedDocument, KnowledgeIndex, KnowledgeSource
from knowledge.schemas import DocumentDetail, DocumentListing, DocumentOut, ProofOut, PushedOut, RunOut
from knowledge.upload_requests import REQUEST_BODY, documents_in
from knowledge.uploads import PushedDocument
from magnet.api.listing import Page, page
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.errors import NotFound
from magnet.web.auth import Needs

# Below /knowledge-sources and below /documents.
source_router = Router(tags=["Documents"])
router = Router(tags=["Documents"])
READ, WRITE = Needs("knowledge-sources:read"), Needs("knowledge-sources:write")
COLUMNS = ("id", "remote_id", "title", "url", "media_type", "metadata", "groups", "language", "file_bytes")
TIMES = ("created_at", "changed_at")
LEDGER = ("state", "failure", "failure_code", "attempts", "next_attempt_at", "chunk_count", "indexed_at")
NOT_IN_THE_LEDGER = IndexedDocument(state="pending")
# What starts a run, by the last part of its path.
STARTING = {"retry": uploads.retry, "include": uploads.include}


@source_router.post(
    "/{slug}/documents", response={200: PushedOut, 202: PushedOut}, auth=WRITE, openapi_extra=REQUEST_BODY
)
async def push_documents(request: HttpRequest, response: HttpResponse, slug: str) -> Any:
    """Upload documents: files as multipart/form-data, or texts as JSON. The same remote_id replaces a document.

    They are stored when this answers, and found when the run at the Location is finished (200: nothing has changed).
    """
    documents = await asyncio.to_thread(documents_in, request)
    pushed = await in_database(_push, slug, documents)
    if pushed.run is None:
        return Status(200, pushed)
    response["Location"] = f"/api/sync-runs/{pushed.run.id}"
    return Status(202, pushed)


@source_router.get("/{slug}/documents", response=Page[DocumentOut], auth=READ)
async def list_documents(request: HttpRequest, slug: str, listing: Query[DocumentListing]) -> Any:
    """List the documents of a source; with remote_id, the one it names."""
    return await in_database(_list, slug, listing)


@source_router.delete("/{slug}/documents", response={204: None}, auth=WRITE)
async def delete_named_document(request: HttpRequest, slug: str, remote_id: str) -> Any:
    """Delete the document with this remote_id."""
    await in_database(lambda: uploads.delete(_named(slug, remote_id)))


@source_router.get("/{slug}/proof-of-deletion", response=ProofOut, auth=READ)
async def prove_deletion(request: HttpRequest, slug: str, remote_id: str) -> Any:
    """Search for a document in every place where it could still be; also by its title."""
    return await in_database(_prove, slug, remote_id)


# Before the path of a document, which takes everything to its end.
@source_router.get("/{slug}/documents/{path:remote_id}/proof-of-deletion", response=ProofOut, auth=READ)
async def prove_deletion_of_document(request: HttpRequest, slug: str, remote_id: str) -> Any:
    """Search for a document in every place where it could still be: zero for each, or where it was found."""
    return await in_database(_prove, slug, remote_id)


@source_router.get("/{slug}/documents/{path:remote_id}", response=DocumentDetail, auth=READ)
async def get_document_of_source(request: HttpRequest, slug: str, remote_id: str) -> Any:
    """Show a document with its text."""
    return await in_database(lambda: detail(_readable(slug, remote_id)))


@source_router.delete("/{slug}/documents/{path:remote_id}", response={204: None}, auth=WRITE)
async def delete_document_of_source(request: HttpRequest, slug: str, remote_id: str) -> Any:
    """Delete a document: no search and no answer finds it afterwards."""
    await in_database(lambda: uploads.delete(_named(slug, remote_id)))


# On the path of a document, because an id may itself end in "/retry".
@source_router.post(
    "/{slug}/documents/{path:remote_id}",
    response={200: DocumentDetail, 202: RunOut},
    auth=WRITE,
    include_in_schema=False,
)
async def steer_document_of_source(request: HttpRequest, response: HttpResponse, slug: str, remote_id: str) -> Any:
    """Try a failed document again, exclude or include one: POST …/documents/{remote_id}/{retry|exclude|include}."""
    name, _, deed = remote_id.rpartition("/")
    if deed == "exclude":
        return Status(200, await in_database(lambda: _exclude(_readable(slug, name))))
    if deed not in STARTING:
        raise NotFound("POST to …/documents/{remote_id}/retry, …/exclude or …/include.")
    run = await in_database(lambda: _start(_readable(slug, name), deed))
    response["Location"] = f"/api/sync-runs/{run.id}"
    return Status(202, run)


@router.get("/{document_id}", response=DocumentDetail, auth=READ)
async def get_document(request: HttpRequest, document_id: UUID) -> Any:
    """Show a document with its text."""
    return await in_database(lambda: detail(_readable_by_id(document_id)))


@router.delete("/{document_id}", response={204: None}, auth=WRITE)
async def delete_document(request: HttpRequest, document_id: UUID) -> Any:
    """Delete a document: no search and no answer finds it afterwards."""
    await in_database(lambda: uploads.delete(_by_id(document_id)))


@router.post("/{document_id}/retry", response={202: RunOut}, auth=WRITE)
async def retry_document(request: HttpRequest, response: HttpResponse, document_id: UUID) -> Any:
    """Try a failed document again, however often it failed."""
    run = await in_database(lambda: _start(_readable_by_id(document_id), "retry"))
    response["Location"] = f"/api/sync-runs/{run.id}"
    return run


@router.post("/{document_id}/exclude", response=DocumentDetail, auth=WRITE)
async def exclude_document(request: HttpRequest, document_id: UUID) -> Any:
    """Exclude a document: no search finds it, whatever its source says, until somebody includes it again."""
    return await in_database(lambda: _exclude(_readable_by_id(document_id)))


@router.post("/{document_id}/include", response={202: RunOut}, auth=WRITE)
async def include_document(request: HttpRequest, response: HttpResponse, document_id: UUID) -> Any:
    """Include an excluded document again, with what its source says of it now."""
    run = await in_database(lambda: _start(_readable_by_id(document_id), "include"))
    response["Location"] = f"/api/sync-runs/{run.id}"
    return run


# -- Finding and showing -------------------------------------------------------------------------------------------


def _named(slug: str, remote_id: str, *, groups: Sequence[str] | None = None) -> Document:
    """The document of that name, among those that are for one of these groups. Raises NotFound."""
    uploads.check_remote_id(remote_id)
    source = find_source(slug)
    documents = source.documents.visible_to(groups).named(remote_id)
    document: Document | None = documents.select_related("source").first()
    if document is None:
        raise NotFound(f"“{source.name}” has no document “{remote_id[:200]}”.")
    return document


def _readable(slug: str, remote_id: str) -> Document:
    """Who may not read a document is not told that it exists, and may do nothing with it but replace or delete it."""
    return _named(slug, remote_id, groups=current_caller().groups)


def _prove(slug: str, remote_id: str) -> dict[str, Any]:
    uploads.check_remote_id(remote_id)
    return proof.as_json(proof.prove(find_source(slug), remote_id))


def _by_id(document_id: UUID, *, groups: Sequence[str] | None = None) -> Document:
    documents = Document.objects.visible_to(groups).select_related("source")
    document: Document | None = documents.filter(pk=document_id).first()
    if document is None:
        raise NotFound(f"There is no document {document_id}.")
    return document


def _readable_by_id(document_id: UUID) -> Document:
    return _by_id(document_id, groups=current_caller().groups)


def serving(source: KnowledgeSource) -> KnowledgeIndex | None:
    """The generation whose ledger tells the documents' state: the live one, or the first one while it is built."""
    return source.live_index or source.indexes.first()


def _list(slug: str, listing: DocumentListing) -> dict[str, Any]:
    source = find_source(slug)
    index = serving(source)
    visible = source.documents.visible_to(current_caller().groups)
    documents = visible.without_body().select_related("source").prefetch_related(_entries(index))
    if listing.remote_id is not None:
        uploads.check_remote_id(listing.remote_id)
        documents = documents.named(listing.remote_id)
    if listing.state is not None:
        documents = documents.filter(ledger__index=index, ledger__state=listing.state)
    order_by = ("title", "remote_id", "created_at", "changed_at", "file_bytes")
    return page(documents, listing, show=show, search_in=("title", "remote_id", "url"), order_by=order_by)


def _entries(index: KnowledgeIndex | None) -> Prefetch[Any]:
    return Prefetch("ledger", queryset=IndexedDocument.objects.filter(index=index), to_attr="entries")


def show(document: Any) -> DocumentOut:
    return DocumentOut(**_fields(document, document.entries))


def detail(document: Document) -> DocumentDetail:
    entries = list(document.ledger.filter(index=serving(document.source)))
    return DocumentDetail(**_fields(document, entries), text=document.text)


def _fields(document: Document, entries: list[IndexedDocument]) -> dict[str, Any]:
    entry = entries[0] if entries else NOT_IN_THE_LEDGER
    own = {name: getattr(document, name) for name in (*COLUMNS, *TIMES)}
    return {**own, "source": document.source.slug, **{name: getattr(entry, name) for name in LEDGER}}


# -- Doing ---------------------------------------------------------------------------------------------------------


def _push(slug: str, documents: list[PushedDocument]) -> PushedOut:
    pushed = uploads.push(find_source(slug), documents)
    run = show_run(pushed.run) if pushed.run else None
    return PushedOut(run=run, added=pushed.added, changed=pushed.changed, unchanged=pushed.unchanged)


def _start(document: Document, deed: str) -> RunOut:
    (run,) = STARTING[deed]([document])
    return show_run(run)


def _exclude(document: Document) -> DocumentDetail:
    uploads.exclude([document])
    return detail(document)
