"""Erasing a person's data over the API, and the proofs of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from conversations import erasing
from conversations.finding import WRITE
from conversations.models import Erasure
from conversations.schemas import ErasureOut, NewErasure
from magnet.api.listing import Listing, Page, page
from magnet.database import in_database
from magnet.errors import NotFound
from magnet.web.auth import Needs

router = Router(tags=["Conversations"])
ERASE = Needs(WRITE)


@router.post("", response={201: ErasureOut}, auth=ERASE)
async def erase_person(request: HttpRequest, response: HttpResponse, body: NewErasure) -> Any:
    """Delete all that a person has said and was answered; the answer is the proof."""
    shown = await in_database(lambda: show(erasing.erase(body.user)))
    response["Location"] = f"/api/erasures/{shown.id}"
    return shown


@router.get("", response=Page[ErasureOut], auth=ERASE)
async def list_erasures(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the proofs, newest first; search for the fingerprint of a person."""
    rows = Erasure.objects.all()
    return await in_database(
        lambda: page(rows, listing, show=show, search_in=("fingerprint",), order_by=("created_at",))
    )


@router.get("/{uuid:erasure_id}", response=ErasureOut, auth=ERASE)
async def get_erasure(request: HttpRequest, erasure_id: UUID) -> Any:
    """Show a proof."""
    return await in_database(_proof, erasure_id)


def _proof(erasure_id: UUID) -> ErasureOut:
    row = Erasure.objects.filter(pk=erasure_id).first()
    if row is None:
        raise NotFound(f"There is no erasure {erasure_id}.")
    return show(row)


def show(row: Erasure) -> ErasureOut:
    fields = {name: getattr(row, name) for name in ("id", "created_at", "fingerprint", "counts", "held")}
    return ErasureOut(**fields, by=row.actor_label, statement=erasing.STATEMENT)
