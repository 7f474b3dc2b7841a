"""RAG tools over the API: made live, changed in a draft, published and undone, and asked."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router

from knowledge.models import KnowledgeSource
from magnet import configuration, feedback
from magnet.api import versioned
from magnet.api.listing import Listing, Page, page
from magnet.api.root import json_response
from magnet.api.schemas import FeedbackOut, NewFeedback, PublicationOut, Publish, VersionedOut, VersionOut
from magnet.api.traces import show_feedback
from magnet.database import in_database
from magnet.models import AIModel, PromptTemplate
from magnet.web.auth import Needs
from magnet.web.streaming import event_stream, wants_stream
from tools_app import filter_checks, rag
from tools_app.models import RagTool, RagToolVersion
from tools_app.schemas import STREAM, AnswerOut, NewRagTool, Question, RagToolChanges, RagToolSettings

router = Router(tags=["RAG tools"])
READ, WRITE, PUBLISH, RUN = (Needs(f"rag-tools:{verb}") for verb in ("read", "write", "publish", "run"))

Shown = VersionedOut[RagToolSettings]
ShownVersion = VersionOut[RagToolSettings]


@router.post("/{slug}/answer", response=AnswerOut, auth=RUN, openapi_extra=STREAM)
async def answer_question(request: HttpRequest, slug: str, body: Question) -> HttpResponseBase:
    """Answer a question with citations; streamed when asked with Accept: text/event-stream."""
    tool = await rag.load(slug, version=body.version)
    await versioned.refuse_draft(RagTool, slug, body.version, scopes="rag-tools")
    # Before the first event: afterwards it is too late for a status.
    question, given = rag.cleaned(body.question), body.given()
    rag.refuse_unfit(tool, given.variables)
    await body.act_for_user()
    if wants_stream(request):
        return event_stream(rag.stream(tool, question, given=given), instance=request.path)
    return json_response(rag.as_json(await rag.answer(tool, question, given=given)))


@router.post("/{slug}/answers/{trace_id}/feedback", response=FeedbackOut, auth=RUN)
async def rate_answer(request: HttpRequest, slug: str, trace_id: UUID, body: NewFeedback) -> Any:
    """Say what you think of an answer that you got from this tool."""
    return show_feedback(await feedback.give(trace_id, body.given(), feature="rag_tool", slug=slug))


@router.get("", response=Page[Shown], auth=READ)
async def list_rag_tools(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the RAG tools."""
    search_in, order_by = ("name", "slug", "description"), ("name", "slug", "created_at", "updated_at")
    return await in_database(partial(page, rows(), listing, show=show, search_in=search_in, order_by=order_by))


@router.post("", response={201: Shown}, auth=WRITE)
async def create_rag_tool(request: HttpRequest, response: HttpResponse, body: NewRagTool) -> Any:
    """Add a RAG tool from a name and sources; its version 1 is live at once."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/rag-tools/{created['slug']}"
    versioned.note_revision(response, created)
    return created


@router.get("/{slug}", response=Shown, auth=READ)
async def get_rag_tool(request: HttpRequest, response: HttpResponse, slug: str) -> Any:
    """Show a RAG tool: what is live, and the draft."""
    shown = await in_database(lambda: show(find(slug)))
    versioned.note_revision(response, shown)
    return shown


@router.patch("/{slug}", response=Shown, auth=WRITE)
async def change_rag_tool(request: HttpRequest, response: HttpResponse, slug: str, body: RagToolChanges) -> Any:
    """Change the draft. Callers get the live version until you publish."""
    shown = await in_database(_change, slug, body, versioned.revision_seen(request, body.revision))
    versioned.note_revision(response, shown)
    return shown


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_rag_tool(request: HttpRequest, slug: str) -> Any:
    """Remove a RAG tool that nothing uses."""
    await in_database(lambda: configuration.remove(find(slug)))


@router.post("/{slug}/publish", response=PublicationOut, auth=PUBLISH)
async def publish_rag_tool(request: HttpRequest, slug: str, body: Publish | None = None) -> Any:
    """Make the draft, or an earlier version, what callers get."""
    return await in_database(lambda: versioned.publish(find(slug), body or Publish()))


@router.post("/{slug}/undo", response=PublicationOut, auth=PUBLISH)
async def undo_rag_tool(request: HttpRequest, slug: str) -> Any:
    """Take the last publication back."""
    return await in_database(lambda: versioned.undo(find(slug)))


@router.get("/{slug}/versions", response=Page[ShownVersion], auth=READ)
async def list_rag_tool_versions(request: HttpRequest, slug: str, listing: Query[Listing]) -> Any:
    """List the versions, newest first."""
    return await in_database(_versions, slug, listing)


@router.get("/{slug}/versions/{number}", response=ShownVersion, auth=READ)
async def get_rag_tool_version(request: HttpRequest, slug: str, number: int) -> Any:
    """Show one version."""
    return await in_database(lambda: show_version(versioned.numbered(find(slug), number)))


# -- Finding and showing -------------------------------------------------------------------------------------------

RELATED = ("prompt_template", "ai_model", "rerank_model")


def rows() -> Any:
    related = [f"{version}__{name}" for version in ("live", "draft") for name in RELATED]
    sources = [f"{version}__tool_sources__source" for version in ("live", "draft")]
    return RagTool.objects.select_related("live", "draft", *related).prefetch_related("tags", *sources)


def find(slug: str) -> RagTool:
    row: RagTool = configuration.find(rows(), slug)
    return row


def show(row: RagTool) -> dict[str, Any]:
    return versioned.show(row, settings=show_settings)


def show_version(version: Any) -> dict[str, Any]:
    return versioned.show_version(version, settings=show_settings)


def show_settings(version: RagToolVersion) -> RagToolSettings:
    """By the rows that a list has loaded already: settings() would ask for the sources of each version."""
    settings = {name: getattr(version, name) for name in version.SETTINGS}
    settings |= {name: getattr(version, name).slug if getattr(version, name) else None for name in RELATED}
    sources = sorted(row.source.slug for row in version.tool_sources.all())
    return RagToolSettings(**settings, sources=sources)


# -- Doing ---------------------------------------------------------------------------------------------------------


def _given(body: RagToolChanges) -> dict[str, Any]:
    settings = body.sent(without=versioned.NOT_SETTINGS)
    for name, model, slug in (
        ("ai_model", AIModel, body.ai_model),
        ("rerank_model", AIModel, body.rerank_model),
        ("prompt_template", PromptTemplate, body.prompt_template),
    ):
        if name in settings:
            settings[name] = configuration.named(model, slug, field=name)
    if settings.get("sources") is not None:
        settings["sources"] = configuration.all_named(KnowledgeSource, settings["sources"], field="sources")
    boosts = settings.get("source_boosts")
    if boosts is not None:
        settings["source_boosts"] = [boost.model_dump() for boost in boosts]
    if body.nothing_found_texts is not None:
        settings["nothing_found_texts"] = [each.model_dump() for each in body.nothing_found_texts]
    return {name: value for name, value in settings.items() if name != "sources" or value is not None}


def _create(body: NewRagTool) -> dict[str, Any]:
    settings = _given(body)
    filter_checks.prove_changes(settings)
    row = versioned.create(RagTool, identity=versioned.identity_in(body), settings=settings)
    return show(find(row.slug))


def _change(slug: str, body: RagToolChanges, revision: int | None) -> dict[str, Any]:
    row, settings = find(slug), _given(body)
    filter_checks.prove_changes(settings, version=row.draft or row.live)
    versioned.change(row, identity=versioned.identity_in(body), settings=settings, revision=revision)
    return show(find(slug))


def _versions(slug: str, listing: Listing) -> dict[str, Any]:
    versions = find(slug).versions.select_related(*RELATED).prefetch_related("tool_sources__source")
    return page(versions, listing, show=show_version, search_in=("note", "author"), order_by=("number", "created_at"))
