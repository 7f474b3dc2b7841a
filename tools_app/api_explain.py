"""“Why not this document?” over the API, for any past search or answer."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel, Field

from magnet.api.schemas import Given
from magnet.database import in_database
from magnet.web.auth import Needs
from tools_app import explain

router = Router(tags=["Traces"])
READ = Needs("traces:read")


class Asked(Given):
    # Its id, its id in the source, its address or its title.
    document: str = Field(min_length=1, max_length=4_000)


class DocumentNameOut(BaseModel):
    id: UUID
    title: str
    remote_id: str
    source: str


class FactOut(BaseModel):
    name: str
    value: str


class FunnelOut(BaseModel):
    stage: str
    label: str
    count: int


class ExplanationOut(BaseModel):
    """`stage` is stable, `reason` a sentence; `setting` and its page in the admin are empty where none would help."""

    stage: str
    reason: str
    setting: str
    setting_url: str
    # What is in the way after that, where changing the first setting alone would not bring the document in.
    next_setting: str
    next_setting_url: str
    document: DocumentNameOut | None
    # In a turn of an agent: the function by which it searched, of several searches the one in which it got furthest.
    call: str
    facts: list[FactOut]
    # To choose from where several are named, or similar ones where none is.
    documents: list[DocumentNameOut]
    # How many were left after each stage.
    funnel: list[FunnelOut]


@router.post("/{trace_id}/explain", response=ExplanationOut, auth=READ)
async def explain_document(request: HttpRequest, trace_id: UUID, body: Asked) -> Any:
    """Say why a document is not (or is) among the passages of this answer or search."""
    return (await explain.explain(trace_id, body.document)).as_json()


@router.get("/{trace_id}/documents", response=list[DocumentNameOut], auth=READ)
async def suggest_documents(
    request: HttpRequest, trace_id: UUID, search: Annotated[str, Query(min_length=1, max_length=200)]
) -> Any:
    """Suggest documents of the searched sources while a title is typed; also needs knowledge-sources:read."""
    found = await in_database(explain.suggestions, trace_id, search)
    return [document.as_json() for document in found]
