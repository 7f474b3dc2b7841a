"""Turns over the API: something is said, read along, resumed, confirmed, cancelled and rated."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router

from conversations import confirmations, event_log, finding, following, turns
from conversations.api import CHANGE, LOOK, SPEAK, with_confirmations
from conversations.models import Message
from conversations.schemas import STREAM, Answer, MessageOut, NewMessage, show_message
from conversations.turns import Begun
from magnet import feedback
from magnet.api.listing import Listing, Page, page
from magnet.api.root import json_response
from magnet.api.schemas import FeedbackOut, NewFeedback
from magnet.api.traces import show_feedback
from magnet.database import in_database
from magnet.errors import Conflict, MalformedRequest
from magnet.prompt_parts import proven_images
from magnet.web.streaming import event_stream, wants_stream

router = Router(tags=["Conversations"])
messages_router = Router(tags=["Conversations"])

MOST_DIGITS = 18


@router.post("/{uuid:conversation_id}/messages", response=MessageOut, auth=SPEAK, openapi_extra=STREAM)
async def say(request: HttpRequest, conversation_id: UUID, body: NewMessage) -> HttpResponseBase:
    """Say something, and get the agent's answer; streamed when asked with Accept: text/event-stream.

    The agent goes on when you leave: read on at the events of the conversation.
    """
    conversation = await in_database(finding.own, conversation_id)
    begun = await turns.take(conversation, body.text, images=proven_images(body.attachments))
    return await _told(request, begun)


@router.get("/{uuid:conversation_id}/messages", response=Page[MessageOut], auth=LOOK)
async def list_messages(request: HttpRequest, conversation_id: UUID, listing: Query[Listing]) -> Any:
    """List what was said, oldest first."""
    return await in_database(_messages, conversation_id, listing)


@router.get("/{uuid:conversation_id}/events", auth=LOOK, openapi_extra=STREAM)
async def read_events(
    request: HttpRequest, conversation_id: UUID, after: int | None = None, stay: bool = False
) -> HttpResponseBase:
    """Read the events of a conversation from any place on, as a stream, to the end of the turn that is at work.

    The place is the last id that you have seen, as `Last-Event-ID` or as `after`; without one it is the beginning.
    With nothing to tell, the answer is 204, at which browsers stop reconnecting. `stay` waits for further turns.
    """
    await in_database(finding.followable, conversation_id)
    place = _place(request, after)
    if not stay:
        waiting, is_at_work = await event_log.read(conversation_id, after=place)
        if not waiting and not is_at_work:
            return HttpResponse(status=204)
    events = following.follow(conversation_id, after=place, stays=stay)
    return event_stream(events, instance=request.path, is_resumable=True)


@router.post("/{uuid:conversation_id}/cancel", response=MessageOut, auth=CHANGE)
async def cancel_turn(request: HttpRequest, conversation_id: UUID) -> HttpResponseBase:
    """Stop the turn that is at work, or that waits for a confirmation."""
    conversation = await in_database(finding.changeable, conversation_id)
    message = await turns.cancel(conversation)
    return json_response(await _shown(message.pk))


@router.post(
    "/{uuid:conversation_id}/confirmations/{uuid:confirmation_id}",
    response=MessageOut, auth=CHANGE, openapi_extra=STREAM,
)  # fmt: skip
async def answer_confirmation(
    request: HttpRequest, conversation_id: UUID, confirmation_id: UUID, body: Answer
) -> HttpResponseBase:
    """Approve or refuse a call that waits; after the last one the turn goes on, whole or streamed."""
    waiting = await in_database(finding.confirmation, conversation_id, confirmation_id)
    begun = await confirmations.answer(
        waiting, is_approved=body.approve, comment=body.comment, for_conversation=body.for_conversation
    )
    if begun is None:
        return json_response(await _shown(waiting.message_id))
    return await _told(request, begun)


@messages_router.post("/{uuid:message_id}/feedback", response=FeedbackOut, auth=LOOK)
async def rate_message(request: HttpRequest, message_id: UUID, body: NewFeedback) -> Any:
    """Say what you think of an answer: like or dislike, a reason, a comment, whether it was copied."""
    message = await in_database(finding.message, message_id)
    if message.trace_id is None:
        raise Conflict("This answer was cut off before it began, so there is nothing to rate.")
    return show_feedback(await feedback.give(message.trace_id, body.given()))


# -- Telling -------------------------------------------------------------------------------------------------------


async def _told(request: HttpRequest, begun: Begun) -> HttpResponseBase:
    events = following.follow(begun.conversation_id, after=begun.after, message_id=begun.message_id)
    if wants_stream(request):
        return event_stream(events, instance=request.path, is_resumable=True)
    async with aclosing(events):
        async for _event in events:
            pass
    return json_response(await _shown(begun.message_id))


def _messages(conversation_id: UUID, listing: Listing) -> dict[str, Any]:
    row = finding.readable(conversation_id)
    rows = with_confirmations(row.messages.order_by("position"))

    def show(message: Message) -> MessageOut:
        finding.hide(row, [message])
        return show_message(message)

    return page(rows, listing, show=show, search_in=("text",), order_by=("position",))


async def _shown(message_id: UUID) -> dict[str, Any]:
    return await in_database(_show, message_id)


def _show(message_id: UUID) -> dict[str, Any]:
    return show_message(with_confirmations(Message.objects.filter(pk=message_id)).get()).model_dump()


def _place(request: HttpRequest, after: int | None) -> int:
    given = request.headers.get("Last-Event-ID", "").strip()
    if not given:
        return max(after or 0, 0)
    if not (given.isascii() and given.isdigit() and len(given) <= MOST_DIGITS):
        raise MalformedRequest("Last-Event-ID is the id of the last event that you have seen, a whole number.")
    return int(given)
