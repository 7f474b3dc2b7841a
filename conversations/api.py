"""Conversations over the API: begun, listed, read, renamed, closed, exported."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Query, Router

from agents.models import Agent
from conversations import analysis, closing, exporting, finding, opening
from conversations.finding import READ, RUN, WRITE
from conversations.models import Confirmation, Conversation, Message
from conversations.schemas import (
    AnalysisChanges,
    ConversationAnalysisOut,
    ConversationChanges,
    ConversationDetail,
    ConversationListing,
    ConversationOut,
    NewConversation,
    show_conversation,
    show_detail,
)
from magnet.api import versioned
from magnet.api.listing import Page, page
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.errors import NotAllowed
from magnet.web.auth import Needs

router = Router(tags=["Conversations"])
# Whose conversation it is, is asked where it is found.
SPEAK, LOOK, CHANGE, CORRECT = Needs(RUN), Needs(RUN, READ), Needs(RUN, WRITE), Needs(WRITE)

MOST_MESSAGES = 200
ORDER = ("created_at", "last_message_at", "title", "cost")


@router.post("", response={201: ConversationOut}, auth=SPEAK)
async def create_conversation(request: HttpRequest, response: HttpResponse, body: NewConversation) -> Any:
    """Begin a conversation with an agent."""
    if body.user is not None:
        await body.user.step_in()
    await versioned.refuse_draft(Agent, body.agent, body.version, scopes="agents")
    row = await opening.begin(body.agent, version=body.version, variables=body.variables)
    response["Location"] = f"/api/conversations/{row.pk}"
    return _noted(response, await in_database(show_conversation, row))


@router.get("", response=Page[ConversationOut], auth=LOOK)
async def list_conversations(request: HttpRequest, listing: Query[ConversationListing]) -> Any:
    """List your conversations; with the scope conversations:read those of everybody."""
    return await in_database(_list, listing)


@router.get("/export", auth=LOOK)
async def export_conversations(
    request: HttpRequest, listing: Query[ConversationListing], format: exporting.Format = "json"
) -> StreamingHttpResponse:
    """Hand out the conversations that the list would show, with their messages, as JSON or CSV."""
    rows = await in_database(_wanted, listing)
    return _handed_out(exporting.export(rows, format=format), format=format, name="conversations")


@router.get("/{uuid:conversation_id}", response=ConversationDetail, auth=LOOK)
async def get_conversation(request: HttpRequest, response: HttpResponse, conversation_id: UUID) -> Any:
    """Show a conversation with its last messages."""
    return _noted(response, await in_database(_detail, conversation_id))


@router.get("/{uuid:conversation_id}/export", auth=LOOK)
async def export_conversation(
    request: HttpRequest, conversation_id: UUID, format: exporting.Format = "json"
) -> StreamingHttpResponse:
    """Hand out one conversation as JSON or CSV."""
    row = await in_database(finding.readable, conversation_id)
    rows = Conversation.objects.filter(pk=row.pk)
    return _handed_out(exporting.export(rows, format=format), format=format, name=f"conversation-{row.pk}")


@router.patch("/{uuid:conversation_id}", response=ConversationOut, auth=CHANGE)
async def change_conversation(
    request: HttpRequest, response: HttpResponse, conversation_id: UUID, body: ConversationChanges
) -> Any:
    """Rename a conversation; with the scope conversations:write also keep it by a legal hold."""
    if body.is_held is not None and not current_caller().may(WRITE):
        raise NotAllowed(f"A legal hold needs the scope {WRITE}.", scope=WRITE)
    revision = versioned.revision_seen(request, body.revision)
    return _noted(response, await in_database(_change, conversation_id, body, revision=revision))


@router.post("/{uuid:conversation_id}/close", response=ConversationOut, auth=CHANGE)
async def close_conversation(request: HttpRequest, conversation_id: UUID) -> Any:
    """Close a conversation: nothing more is said in it. Closing it twice does no harm."""
    return await in_database(_close, conversation_id)


@router.patch("/{uuid:conversation_id}/analysis", response=ConversationAnalysisOut, auth=CORRECT)
async def correct_analysis(request: HttpRequest, conversation_id: UUID, body: AnalysisChanges) -> Any:
    """Correct what a model found out about a conversation; it is not overwritten afterwards."""
    return await in_database(_correct, conversation_id, body)


# -- Finding and showing -------------------------------------------------------------------------------------------


def _noted(response: HttpResponse, shown: ConversationOut) -> ConversationOut:
    response["ETag"] = f'"{shown.revision}"'
    return shown


def _wanted(listing: ConversationListing) -> QuerySet[Conversation]:
    caller = current_caller()
    rows = Conversation.objects.of(caller) if listing.own else finding.rows(caller)
    named = {"agent_slug": listing.agent, "status": listing.status, "person": listing.user, "topic": listing.topic}
    named |= {"analysis__resolution": listing.resolution, "analysis__category": listing.category}
    # PostgreSQL has no text with NUL, so neither has any conversation.
    rows = rows.filter(**{name: value.replace("\0", "�") for name, value in named.items() if value})
    if listing.rating:
        rows = rows.rated(listing.rating)
    if listing.since:
        rows = rows.filter(last_message_at__gte=listing.since)
    if listing.until:
        rows = rows.filter(last_message_at__lt=listing.until)
    if listing.search:
        rows = rows.said(listing.search.replace("\0", "�"))
    found: QuerySet[Conversation] = rows.select_related("analysis")
    return found


def _list(listing: ConversationListing) -> dict[str, Any]:
    rest = listing.model_copy(update={"search": ""})
    return page(_wanted(listing), rest, show=show_conversation, search_in=(), order_by=ORDER)


def with_confirmations(messages: QuerySet[Message]) -> QuerySet[Message]:
    asked = Prefetch("confirmations", Confirmation.objects.order_by("created_at", "pk"))
    return messages.defer("paused").prefetch_related(asked)


def _detail(conversation_id: UUID) -> ConversationDetail:
    row = finding.readable(conversation_id)
    last = list(with_confirmations(row.messages.order_by("-position"))[:MOST_MESSAGES])
    finding.hide(row, last)
    return show_detail(row, messages=last[::-1])


def _handed_out(lines: Any, *, format: str, name: str) -> StreamingHttpResponse:
    kind = "text/csv; charset=utf-8" if format == "csv" else "application/json; charset=utf-8"
    response = StreamingHttpResponse(lines, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}.{format}"'
    return response


# -- Doing ---------------------------------------------------------------------------------------------------------


def _change(conversation_id: UUID, body: ConversationChanges, *, revision: int | None) -> ConversationOut:
    row = finding.changeable(conversation_id)
    return show_conversation(opening.change(row, title=body.title, is_held=body.is_held, revision=revision))


def _close(conversation_id: UUID) -> ConversationOut:
    return show_conversation(closing.close(finding.changeable(conversation_id).pk))


def _correct(conversation_id: UUID, body: AnalysisChanges) -> ConversationAnalysisOut:
    row = analysis.correct(finding.readable(conversation_id), body.sent())
    return ConversationAnalysisOut.model_validate(row, from_attributes=True)
