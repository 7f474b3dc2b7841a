"""A turn: what somebody says is kept, the agent answers in the background, and whoever wants reads along.

begun = await turns.take(conversation, "Where is my parcel?")
async for event in following.follow(conversation.id, after=begun.after, message_id=begun.message_id): …
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.utils import timezone

from agents import loading, loop
from agents.loading import LoadedAgent
from agents.turn import ConfirmationAnswer, Paused, Said, Step, Turn
from conversations import endings, finding, titles, turn_runs
from conversations.endings import Outcome
from conversations.event_log import CHANNEL, Held
from conversations.keeping import kept_for
from conversations.models import Confirmation, Conversation, Message
from magnet.cleaning import storable
from magnet.database import in_database, one_transaction
from magnet.errors import Conflict, InvalidInput, MagnetError, TurnAtWork

MAX_TEXT_CHARACTERS = 20_000
# How long a cancellation waits until the process that carries the turn has ended it.
CANCEL_SECONDS, LOOK_SECONDS = 8.0, 0.1


@dataclass(frozen=True)
class Begun:
    """A turn at work; its events have numbers above `after`."""

    conversation_id: UUID
    message_id: UUID
    after: int


async def take(conversation: Conversation, text: str, *, images: Sequence[str] = ()) -> Begun:
    """Say `text`, and have the agent answer in the background.

    Raises InvalidInput, TurnAtWork while another turn is at work or waits, and Conflict when the conversation is
    closed or its agent cannot be used.
    """
    text = cleaned(text)
    agent = await loading.load(conversation.agent_slug, version=conversation.agent_version)
    if images and not agent.model.can_see:
        raise InvalidInput(f"The model “{agent.model.name}” of this agent sees no images. Send text alone.")
    caller = await in_database(finding.caller_of, conversation)
    held, turn, after = await in_database(_begin, conversation.pk, text, images=tuple(images))
    turn_runs.start(held, loop.run(agent, turn), caller=caller)
    return Begun(conversation.pk, held.message_id, after)


async def go_on(message_id: UUID) -> Begun | None:
    """Carry on a turn whose confirmations are all answered; None where somebody else does, or some still wait."""
    begun = await in_database(_begin_again, message_id)
    if begun is None:
        return None
    held, turn, after, conversation = begun
    paused: Paused = turn.paused  # type: ignore[assignment]  # that is what it goes on from
    agent = await _agent_of(paused, held)
    caller = await in_database(finding.caller_of, conversation)
    turn_runs.start(held, loop.run(agent, turn), caller=caller, said_before=paused.text)
    return Begun(held.conversation_id, held.message_id, after)


async def cancel(conversation: Conversation) -> Message:
    """Stop the turn that is at work or waits, in whichever process. Raises Conflict where there is none."""
    message = await in_database(_ask_to_stop, conversation.pk)
    if message.status == Message.Status.AWAITING_CONFIRMATION:
        await in_database(endings.end, message.pk, Outcome.cancelled())
    turn_runs.cancel(message.pk)
    until = time.monotonic() + CANCEL_SECONDS
    while (shown := await in_database(Message.objects.get, pk=message.pk)).is_unfinished:
        if time.monotonic() > until:
            break
        await asyncio.sleep(LOOK_SECONDS)
        await in_database(endings.close_abandoned, conversation.pk)
    found: Message = shown
    return found


def cleaned(text: str) -> str:
    """The text as it is kept. Raises InvalidInput for one that is empty or too long."""
    said: str = storable(text).strip()
    if not said:
        raise InvalidInput("The message is empty. Write at least one character.")
    if len(said) > MAX_TEXT_CHARACTERS:
        raise InvalidInput(
            f"The message has {len(said):,} characters; {MAX_TEXT_CHARACTERS:,} are allowed. "
            "Shorten it, or hand in the text as a document and ask about it.",
            max_characters=MAX_TEXT_CHARACTERS,
        )
    return said


# -- Beginning -------------------------------------------------------------------------------------------------------


@one_transaction
def _begin(conversation_id: UUID, text: str, *, images: tuple[str, ...]) -> tuple[Held, Turn, int]:
    conversation = _free(conversation_id)
    history = _history(conversation, before=conversation.last_position + 1)
    place = conversation.last_position + 1
    conversation.last_position += 2
    asked = Message(
        conversation=conversation, position=place, role=Message.Role.USER, text=text, images=list(images),
        ended_at=timezone.now(),
    )  # fmt: skip
    holder = uuid4()
    answer = Message(
        conversation=conversation, position=place + 1, role=Message.Role.ASSISTANT, status=Message.Status.RUNNING,
        holder=holder, heartbeat_at=timezone.now(),
    )  # fmt: skip
    Message.objects.bulk_create([asked, answer])
    titles.name_by(conversation, text)
    conversation.note_activity(closes_after=_closes_after(conversation), kept_for=kept_for(conversation))
    conversation.revision += 1
    conversation.save()
    _beat(answer)
    held = Held(conversation.pk, answer.pk, holder)
    return held, _turn(conversation, asked, history), conversation.last_event


def _free(conversation_id: UUID) -> Conversation:
    """The conversation, held until the transaction ends. Raises when nothing can be said in it now."""
    conversation: Conversation = Conversation.objects.select_for_update(no_key=True).get(pk=conversation_id)
    if not conversation.is_open:
        raise Conflict("This conversation is closed. Begin a new one.", status_of_conversation=conversation.status)
    unfinished = Message.objects.filter(conversation=conversation).unfinished()
    if unfinished.exists():
        endings.close_abandoned(conversation_id)
        if (busy := unfinished.first()) is not None:
            raise _busy(busy)
        conversation.refresh_from_db()
    return conversation


def _busy(message: Message) -> TurnAtWork:
    address = f"/api/conversations/{message.conversation_id}"
    known: dict[str, Any] = {
        "message_id": str(message.pk),
        "cancel": f"{address}/cancel",
        "events": f"{address}/events",
    }
    if message.status == Message.Status.AWAITING_CONFIRMATION:
        waiting = [str(pk) for pk in message.confirmations.waiting().values_list("pk", flat=True)]
        return TurnAtWork(
            "The conversation waits for a confirmation. Answer it, or cancel the turn, and write again.",
            confirmations=waiting, **known,
        )  # fmt: skip
    return TurnAtWork(
        "The agent is still answering the message before. Read along at its events, or cancel the turn.", **known
    )


def _closes_after(conversation: Conversation) -> timedelta | None:
    agent = conversation.agent
    if agent is None:
        return None
    version = agent.version(conversation.agent_version)
    minutes: int | None = getattr(version, "closure_after_minutes", None)
    return timedelta(minutes=minutes) if minutes else None


def _beat(message: Message) -> None:
    """By the clock of the database, by which silence is measured."""
    with connection.cursor() as cursor:
        cursor.execute("update conversations_message set heartbeat_at = now() where id = %s", [message.pk])


# -- Going on after a confirmation -----------------------------------------------------------------------------------


@one_transaction
def _begin_again(message_id: UUID) -> tuple[Held, Turn, int, Conversation] | None:
    message = endings.locked(message_id)
    if message is None or message.status != Message.Status.AWAITING_CONFIRMATION or message.paused is None:
        return None
    if message.confirmations.waiting().exists():
        return None
    conversation = message.conversation
    holder = uuid4()
    message.status, message.holder, message.is_cancelled = Message.Status.RUNNING, holder, False
    message.save(update_fields=["status", "holder", "is_cancelled"])
    _beat(message)
    asked = Message.objects.filter(conversation=conversation, position__lt=message.position).order_by("-position")[0]
    # Of calls that carry the id of an earlier one, the last.
    answers = {
        row.call_id: ConfirmationAnswer(row.call_id, row.status == Confirmation.Status.APPROVED, row.comment)
        for row in message.confirmations.order_by("created_at", "pk")
    }
    history = _history(conversation, before=asked.position)
    turn = _turn(conversation, asked, history, paused=Paused.from_json(message.paused), answers=tuple(answers.values()))
    return Held(conversation.pk, message.pk, holder), turn, conversation.last_event, conversation


async def _agent_of(paused: Paused, held: Held) -> LoadedAgent:
    """The version that has paused; where it is gone, the turn ends and says so."""
    try:
        return await loading.load(paused.agent, version=paused.version)
    except MagnetError as error:
        gone = Conflict("The agent was changed while this waited, so it cannot go on. Ask again.")
        await in_database(endings.end, held.message_id, Outcome.failed(gone), holder=held.holder)
        raise gone from error


# -- What the agent is told ------------------------------------------------------------------------------------------


def _turn(conversation: Conversation, asked: Message, history: tuple[Said, ...], **more: Any) -> Turn:
    return Turn(
        text=asked.text,
        images=tuple(asked.images),
        history=history,
        summary=conversation.summary,
        variables=conversation.variables,
        topic=conversation.topic,
        approved=frozenset(conversation.approved),
        **more,
    )


def _history(conversation: Conversation, *, before: int) -> tuple[Said, ...]:
    rows = Message.objects.to_remember(conversation, before=before).values_list("role", "text", "steps")
    said = [
        Said("user" if role == "user" else "assistant", text, tuple(Step.from_json(step) for step in steps))
        for role, text, steps in rows
    ]
    return tuple(reversed(said))


# -- Stopping --------------------------------------------------------------------------------------------------------


@one_transaction
def _ask_to_stop(conversation_id: UUID) -> Message:
    message: Message | None = Message.objects.filter(conversation=conversation_id).unfinished().first()
    if message is None:
        raise Conflict("No turn is at work in this conversation.")
    Message.objects.filter(pk=message.pk).unfinished().update(is_cancelled=True)
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify(%s, %s)", [CHANNEL, f"cancel {message.pk}"])
    return message
