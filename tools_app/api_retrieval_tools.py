"""Retrieval tools over the API: made live, changed in a draft, published and undone, and searched with."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query as Parameters
from ninja import Router

from knowledge.models import KnowledgeSource
from magnet import configuration
from magnet.api import versioned
from magnet.api.listing import Listing, Page, page
from magnet.api.root import json_response
from magnet.api.schemas import PublicationOut, Publish, VersionedOut, VersionOut
from magnet.database import in_database
from magnet.models import AIModel
from magnet.web.auth import Needs
from tools_app import filter_checks, rag, searching
from tools_app.models import RetrievalTool, RetrievalToolVersion
from tools_app.retrieval_schemas import NewRetrievalTool, Query, RetrievalChanges, RetrievalSettingsOut, SearchOut

router = Router(tags=["Retrieval tools"])
READ, WRITE, PUBLISH, RUN = (Needs(f"retrieval-tools:{verb}") for verb in ("read", "write", "publish", "run"))

Shown = VersionedOut[RetrievalSettingsOut]
ShownVersion = VersionOut[RetrievalSettingsOut]


@router.post("/{slug}/search", response=SearchOut, auth=RUN)
async def search_with_tool(request: HttpRequest, slug: str, body: Query) -> HttpResponseBase:
    """Find the passages for a question, with their scores and how they were found."""
    tool = await searching.load(slug, version=body.version)
    await versioned.refuse_draft(RetrievalTool, slug, body.version, scopes="retrieval-tools")
    query = rag.cleaned(body.query)
    await body.act_for_user()
    return json_response(searching.as_json(await searching.search(tool, query, given=body.given())))


@router.get("", response=Page[Shown], auth=READ)
async def list_retrieval_tools(request: HttpRequest, listing: Parameters[Listing]) -> Any:
    """List the retrieval tools."""
    search_in, order_by = ("name", "slug", "description"), ("name", "slug", "created_at", "updated_at")
    return await in_database(partial(page, rows(), listing, show=show, search_in=search_in, order_by=order_by))


@router.post("", response={201: Shown}, auth=WRITE)
async def create_retrieval_tool(request: HttpRequest, response: HttpResponse, body: NewRetrievalTool) -> Any:
    """Add a retrieval tool from a name and sources; its version 1 is live at once."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/retrieval-tools/{created['slug']}"
    versioned.note_revision(response, created)
    return created


@router.get("/{slug}", response=Shown, auth=READ)
async def get_retrieval_tool(request: HttpRequest, response: HttpResponse, slug: str) -> Any:
    """Show a retrieval tool: what is live, and the draft."""
    shown = await in_database(lambda: show(find(slug)))
    versioned.note_revision(response, shown)
    return shown


@router.patch("/{slug}", response=Shown, auth=WRITE)
async def change_retrieval_tool(request: HttpRequest, response: HttpResponse, slug: str, body: RetrievalChanges) -> Any:
    """Change the draft. Callers get the live version until you publish."""
    shown = await in_database(_change, slug, body, versioned.revision_seen(request, body.revision))
    versioned.note_revision(response, shown)
    return shown


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_retrieval_tool(request: HttpRequest, slug: str) -> Any:
    """Remove a retrieval tool that nothing uses."""
    await in_database(lambda: configuration.remove(find(slug)))


@router.post("/{slug}/publish", response=PublicationOut, auth=PUBLISH)
async def publish_retrieval_tool(request: HttpRequest, slug: str, body: Publish | None = None) -> Any:
    """Make the draft, or an earlier version, what callers get."""
    return await in_database(lambda: versioned.publish(find(slug), body or Publish()))


@router.post("/{slug}/undo", response=PublicationOut, auth=PUBLISH)
async def undo_retrieval_tool(request: HttpRequest, slug: str) -> Any:
    """Take the last publication back."""
    return await in_database(lambda: versioned.undo(find(slug)))


@router.get("/{slug}/versions", response=Page[ShownVersion], auth=READ)
async def list_retrieval_tool_versions(request: HttpRequest, slug: str, listing: Parameters[Listing]) -> Any:
    """List the versions, newest first."""
    return await in_database(_versions, slug, listing)


@router.get("/{slug}/versions/{number}", response=ShownVersion, auth=READ)
async def get_retrieval_tool_version(request: HttpRequest, slug: str, number: int) -> Any:
    """Show one version."""
    return await in_database(lambda: show_version(versioned.numbered(find(slug), number)))


# -- Finding and showing -------------------------------------------------------------------------------------------

RELATED = ("rerank_model",)


def rows() -> Any:
    related = [f"{version}__{name}" for version in ("live", "draft") for name in RELATED]
    sources = [f"{version}__tool_sources__source" for version in ("live", "draft")]
    return RetrievalTool.objects.select_related("live", "draft", *related).prefetch_related("tags", *sources)


def find(slug: str) -> RetrievalTool:
    row: RetrievalTool = configuration.find(rows(), slug)
    return row


def show(row: RetrievalTool) -> dict[str, Any]:
    return versioned.show(row, settings=show_settings)


def show_version(version: Any) -> dict[str, Any]:
    return versioned.show_version(version, settings=show_settings)


def show_settings(version: RetrievalToolVersion) -> RetrievalSettingsOut:
    """By the rows that a list has loaded already: settings() would ask for the sources of each version."""
    settings = {name: getattr(version, name) for name in version.SETTINGS}
    settings |= {name: getattr(version, name).slug if getattr(version, name) else None for name in RELATED}
    sources = sorted(row.source.slug for row in version.tool_sources.all())
    return RetrievalSettingsOut(**settings, sources=sources)


# -- Doing ---------------------------------------------------------------------------------------------------------


def _given(body: RetrievalChanges) -> dict[str, Any]:
    settings = body.sent(without=versioned.NOT_SETTINGS)
    if "rerank_model" in settings:
        settings["rerank_model"] = configuration.named(AIModel, body.rerank_model, field="rerank_model")
    if settings.get("sources") is not None:
        settings["sources"] = configuration.all_named(KnowledgeSource, settings["sources"], field="sources")
    boosts = settings.get("source_boosts")
    if boosts is not None:
        settings["source_boosts"] = [boost.model_dump() for boost in boosts]
    return {name: value for name, value in settings.items() if name != "sources" or value is not None}


def _create(body: NewRetrievalTool) -> dict[str, Any]:
    settings = _given(body)
    filter_checks.prove_changes(settings)
    row = versioned.create(RetrievalTool, identity=versioned.identity_in(body), settings=settings)
    return show(find(row.slug))


def _change(slug: str, body: RetrievalChanges, revision: int | None) -> dict[str, Any]:
    row, settings = find(slug), _given(body)
    filter_checks.prove_changes(settings, version=row.draft or row.live)
    versioned.change(row, identity=versioned.identity_in(body), settings=settings, revision=revision)
    return show(find(slug))


def _versions(slug: str, listing: Listing) -> dict[str, Any]:
    versions = find(slug).versions.select_related(*RELATED).prefetch_related("tool_sources__source")
    return page(versions, listing, show=show_version, search_in=("note", "author"), order_by=("number", "created_at"))
