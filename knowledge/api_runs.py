"""Sync runs over the API: how far they are, and the word that some of them wait for."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from knowledge import sync
from knowledge.models import SyncRun
from knowledge.schemas import Progress, RunListing, RunOut
from magnet.api.listing import Page, page
from magnet.database import in_database
from magnet.errors import NotFound
from magnet.web.auth import Needs

router = Router(tags=["Sync runs"])
READ, WRITE = Needs("knowledge-sources:read"), Needs("knowledge-sources:write")
COLUMNS = tuple(name for name in RunOut.model_fields if name not in ("source", "actor", "notice", "progress"))


@router.get("", response=Page[RunOut], auth=READ)
async def list_sync_runs(request: HttpRequest, listing: Query[RunListing]) -> Any:
    """List the sync runs, newest first."""
    order_by = ("created_at", "finished_at", "status")
    find_page = partial(page, _wanted(listing), listing, show=show_run, search_in=("source__name",), order_by=order_by)
    return await in_database(find_page)


@router.get("/{run_id}", response=RunOut, auth=READ)
async def get_sync_run(request: HttpRequest, run_id: UUID) -> Any:
    """Show a sync run: status, progress, counts, and at its end the receipt."""
    return await in_database(lambda: show_run(find(run_id)))


@router.post("/{run_id}/approve", response=RunOut, auth=WRITE)
async def approve_sync_run(request: HttpRequest, run_id: UUID) -> Any:
    """Agree to the deletions that a run waits with."""
    return await in_database(lambda: show_run(sync.approve(find(run_id))))


@router.post("/{run_id}/cancel", response=RunOut, auth=WRITE)
async def cancel_sync_run(request: HttpRequest, run_id: UUID) -> Any:
    """Stop a run; what is indexed stays."""
    return await in_database(lambda: show_run(sync.cancel(find(run_id))))


def find(run_id: UUID) -> SyncRun:
    run: SyncRun | None = SyncRun.objects.select_related("source").filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no sync run {run_id}.")
    return run


def show_run(run: SyncRun) -> RunOut:
    percent = 100 if run.status == SyncRun.Status.DONE else run.done * 100 // max(run.to_do, 1)
    progress = Progress(done=run.done, to_do=run.to_do, percent=min(percent, 100))
    fields = {name: getattr(run, name) for name in COLUMNS}
    notice = run.remark.removeprefix(run.error).strip()
    return RunOut(**fields, notice=notice, source=run.source.slug, actor=run.actor_label, progress=progress)


def _wanted(listing: RunListing) -> Any:
    wanted = {"source__slug": listing.source, "status": listing.status}
    # PostgreSQL has no text with NUL, so neither has any run.
    filters = {name: value.replace("\0", "�") for name, value in wanted.items() if value}
    return SyncRun.objects.select_related("source").filter(**filters)
