"""The passages of an answer over the API: their texts as they were cited, and what has become of their documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel

from magnet import kept_passages
from magnet.api.traces import AnyCaller
from magnet.database import in_database
from magnet.kept_passages import KeptPassage

router = Router(tags=["Traces"])
PLACE = ("text", "heading", "page", "first_page", "last_page", "start", "end", "content_hash", "chunk_id")


class KeptDocumentOut(BaseModel):
    """As it was called when it was cited; of a deleted one only its id is left."""

    id: UUID | None
    source: str
    remote_id: str
    title: str
    url: str


class KeptPassageOut(BaseModel):
    number: int
    is_cited: bool
    document: KeptDocumentOut
    # Empty where nobody can tell.
    document_state: Literal["unchanged", "changed", "deleted", ""]
    # When it changed or was deleted, where that is known.
    changed_at: datetime | None
    # Null where the text is not kept (any more); `reason` says why.
    text: str | None
    reason: str
    heading: str | None
    page: int | None
    first_page: int | None
    last_page: int | None
    start: int | None
    end: int | None
    content_hash: str | None
    chunk_id: int | None


class KeptPassagesOut(BaseModel):
    """`reason` says why texts are not kept (any more); empty where they are."""

    items: list[KeptPassageOut]
    count: int
    reason: str


@router.get("/{trace_id}/passages", response=KeptPassagesOut, auth=AnyCaller())
async def list_kept_passages(request: HttpRequest, trace_id: UUID) -> Any:
    """List the passages that an answer or search was given, as they read that day. Whoever asked may see them, and
    who may read traces, unless a document is for groups that you do not have."""
    return await in_database(_all_of, trace_id)


@router.get("/{trace_id}/passages/{number}", response=KeptPassageOut, auth=AnyCaller())
async def get_kept_passage(request: HttpRequest, trace_id: UUID, number: int) -> Any:
    """Show one passage by the number that the answer cites, and whether its document has changed or gone since."""
    return await in_database(_found, trace_id, number)


def _all_of(trace_id: UUID) -> KeptPassagesOut:
    trace, passages, missing = kept_passages.all_of(trace_id)
    items = [_show(passage, reason=kept_passages.in_words(passage.missing, trace)) for passage in passages]
    return KeptPassagesOut(items=items, count=len(items), reason=kept_passages.in_words(missing, trace))


def _found(trace_id: UUID, number: int) -> KeptPassageOut:
    trace, passage = kept_passages.find(trace_id, number)
    return _show(passage, reason=kept_passages.in_words(passage.missing, trace))


def _show(passage: KeptPassage, *, reason: str) -> KeptPassageOut:
    kept = passage.kept or {}
    named = {name: str(passage.document.get(name) or "") for name in ("source", "remote_id", "title", "url")}
    return KeptPassageOut(
        number=passage.number,
        is_cited=passage.is_cited,
        document=KeptDocumentOut(id=passage.document.get("id") or None, **named),
        document_state=passage.state,
        changed_at=passage.since,
        reason=reason,
        **{name: kept.get(name) for name in PLACE},
    )
