"""The events of turns as rows: written a flush at a time with one notice each, and read again from any number on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from magnet.cleaning import storable
from magnet.database import raw_pool
from magnet.web.problems import plain_json
from magnet.web.streaming import Event

CHANNEL = "magnet_turns"
# What is read at once of what a reader has missed.
BATCH = 500

# Conversation first, then message, as everywhere. Nothing is written for a turn that is no longer this holder's.
APPEND = """
with counted as (
    update conversations_conversation c set last_event = c.last_event + %(count)s
    where c.id = %(conversation)s and exists (
        select from conversations_message m
        where m.id = %(message)s and m.holder = %(holder)s and m.status in ('queued', 'running'))
    returning c.id, c.last_event
), held as (
    update conversations_message m set heartbeat_at = now(), documents = m.documents || %(documents)s::uuid[]
    from counted
    where m.id = %(message)s and m.holder = %(holder)s and m.status in ('queued', 'running')
    returning m.is_cancelled
), written as (
    insert into conversations_turnevent (conversation_id, message_id, number, name, data, created_at)
    select counted.id, %(message)s, counted.last_event - %(count)s + e.place, e.name, e.data, now()
    from counted, held,
         rows from (json_to_recordset(%(events)s::json) as (name text, data jsonb)) with ordinality e(name, data, place)
)
select counted.last_event, held.is_cancelled,
       pg_notify(%(channel)s, concat_ws(' ', %(origin)s::text, counted.id, counted.last_event))
from counted, held
"""

BEAT = """
update conversations_message set heartbeat_at = now()
where id = %(message)s and holder = %(holder)s and status in ('queued', 'running')
returning is_cancelled
"""

AT_WORK = """
select exists (select from conversations_message where conversation_id = %(conversation)s
               and status in ('queued', 'running'))
"""

READ = """
select number, message_id, name, data from conversations_turnevent
where conversation_id = %(conversation)s and number > %(after)s order by number limit %(limit)s
"""


@dataclass(frozen=True)
class Numbered:
    """An event as it is kept."""

    number: int
    message_id: UUID
    name: str
    data: dict[str, Any]

    def as_event(self) -> Event:
        return Event(self.name, self.data, self.number)


@dataclass(frozen=True)
class Held:
    """A turn that a process carries; `holder` is the proof that it still does."""

    conversation_id: UUID
    message_id: UUID
    holder: UUID


@dataclass(frozen=True)
class Appended:
    events: tuple[Numbered, ...]
    is_cancelled: bool


async def append(held: Held, events: Sequence[Event], *, documents: Sequence[UUID], origin: str) -> Appended | None:
    """Write the events of one flush in one statement; None where the turn is no longer ours."""
    # Readers of this process get the same as those who read the rows.
    events = [Event(event.name, storable(event.data)) for event in events]
    given = {
        **_names(held),
        "conversation": held.conversation_id,
        "count": len(events),
        "documents": list(documents),
        "events": encoded(events),
        "channel": CHANNEL,
        "origin": origin,
    }
    row = await _one(APPEND, given)
    if row is None:
        return None
    first = row[0] - len(events) + 1
    return Appended(numbered(events, held.message_id, first=first), row[1])


async def beat(held: Held) -> bool | None:
    """A sign of life: whether the turn was cancelled, or None where it is no longer ours."""
    row = await _one(BEAT, _names(held))
    return None if row is None else bool(row[0])


async def read(conversation_id: UUID, *, after: int) -> tuple[list[Numbered], bool]:
    """Some of the events after this number, and whether a turn was at work before they were read."""
    given = {"conversation": conversation_id, "after": after, "limit": BATCH}
    async with (await raw_pool()).connection() as connection:
        # In this order: of a turn that has ended by then, the last event is read, too.
        cursor = await connection.execute(AT_WORK, given)
        is_at_work = bool((await cursor.fetchone() or (False,))[0])
        rows = await (await connection.execute(READ, given)).fetchall()
    return [Numbered(*row) for row in rows], is_at_work


def numbered(events: Sequence[Event], message_id: UUID, *, first: int) -> tuple[Numbered, ...]:
    return tuple(Numbered(first + step, message_id, event.name, event.data) for step, event in enumerate(events))


def encoded(events: Sequence[Event]) -> str:
    rows = [{"name": event.name, "data": event.data} for event in events]
    return json.dumps(rows, ensure_ascii=False, default=plain_json)


def _names(held: Held) -> dict[str, Any]:
    return {"message": held.message_id, "holder": held.holder}


async def _one(statement: str, given: dict[str, Any]) -> Any:
    async with (await raw_pool()).connection() as connection:
        return await (await connection.execute(statement, given)).fetchone()
