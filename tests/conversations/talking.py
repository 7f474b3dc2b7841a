"""What tests of conversations share: a conversation with a turn that just began, and turns told event by event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

from django.db import connection

from agents.models import Agent
from conversations import following, turn_runs
from conversations.event_log import Held
from conversations.models import Conversation, Message
from magnet.callers import SYSTEM
from magnet.database import in_database
from magnet.web.streaming import Event

STARTED = Event("started", {"agent": "desk", "version": 1, "model": "m"})
# What a slow machine may take for what a quick one does at once.
PATIENCE_SECONDS = 60


def completed(text: str, **more: Any) -> Event:
    return Event("completed", {"status": "done", "text": text, "cost": "0.001", "usage": {"input_tokens": 3}, **more})


def texts(*said: str) -> list[Event]:
    return [Event("text", {"text": text}) for text in said]


async def told(*events: Event, pause: float = 0.0) -> AsyncGenerator[Event, None]:
    for event in events:
        await asyncio.sleep(pause)
        yield event


class Endless:
    """A turn that goes on until it is closed."""

    def __init__(self) -> None:
        self.is_closed = False

    async def events(self) -> AsyncGenerator[Event, None]:
        try:
            yield STARTED
            while True:
                yield Event("text", {"text": "and "})
                await asyncio.sleep(0.01)
        finally:
            self.is_closed = True


def a_conversation(**fields: Any) -> Conversation:
    agent, _ = Agent.objects.get_or_create(slug="desk", defaults={"name": "Desk"})
    who = {"caller_type": "key", "caller_id": "1", "caller_label": "CRM"}
    row: Conversation = Conversation.objects.create(agent=agent, agent_slug="desk", **{**who, **fields})
    return row


def a_turn(conversation: Conversation | None = None, **fields: Any) -> Held:
    """A question and the row of its answer, which is at work."""
    conversation = conversation or a_conversation()
    place = conversation.last_position + 1
    Message.objects.create(conversation=conversation, position=place, role="user", text="Where is my parcel?")
    values = {"status": "running", "holder": uuid4(), **fields}
    answer = Message.objects.create(conversation=conversation, position=place + 1, role="assistant", **values)
    Conversation.objects.filter(pk=conversation.pk).update(last_position=place + 1)
    age(answer.pk, seconds=0)
    return Held(conversation.pk, answer.pk, values["holder"])


def age(message_id: Any, *, seconds: int) -> None:
    """The last sign of life is so old."""
    with connection.cursor() as cursor:
        statement = "update conversations_message set heartbeat_at = now() - make_interval(secs => %s) where id = %s"
        cursor.execute(statement, [seconds, message_id])


def start(held: Held, events: AsyncGenerator[Event, None]) -> turn_runs.TurnRun:
    return turn_runs.start(held, events, caller=SYSTEM)


async def read_all(held: Held, *, after: int = 0, **more: Any) -> list[Event]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [event async for event in following.follow(held.conversation_id, after=after, **more)]


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "text")


async def message_of(held: Held) -> Message:
    row: Message = await in_database(Message.objects.get, pk=held.message_id)
    return row
