"""Reading along: what a turn says reaches every reader in every process, and whoever comes late reads it from the rows.

A process hands its own events to its readers as soon as they are written; from other processes come notices, at which
the readers of that conversation look into the rows. Nothing is held open meanwhile, no connection either.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

import structlog
from django.db import OperationalError as DatabaseIsAway
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from conversations import endings, event_log
from conversations.event_log import Numbered
from magnet.database import in_database
from magnet.web.streaming import TERMINAL, Event

log = structlog.get_logger(__name__)

AWAY, RETRY_SECONDS = (OperationalError, PoolTimeout, DatabaseIsAway), 1.0
# A reader looks by itself so often: a notice may be lost, and a process may have died in mid-turn.
LOOK_SECONDS = 10.0
# More than this waits for nobody: a slow reader reads it from the rows.
MOST_WAITING = 500


class Hub:
    """The readers of one event loop, by conversation. `origin` marks what the process itself has written."""

    def __init__(self) -> None:
        self.origin = uuid4().hex
        self.readers: dict[UUID, set[Reader]] = {}

    def publish(self, conversation_id: UUID, events: Sequence[Numbered]) -> None:
        for reader in self.readers.get(conversation_id, ()):
            reader.give(events)

    def look(self, conversation_id: UUID | None = None) -> None:
        """Have the readers of a conversation, or all, look into the rows."""
        chosen = self.readers.values() if conversation_id is None else [self.readers.get(conversation_id, set())]
        for readers in chosen:
            for reader in readers:
                reader.look()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


def heard(payload: str) -> None:
    """A notice of any process: who has written events of which conversation; empty where notices were missed."""
    origin, _, rest = payload.partition(" ")
    if not payload:
        hub().look()
    elif origin != hub().origin:
        hub().look(UUID(rest.split(" ")[0]))


class Reader:
    def __init__(self) -> None:
        self._waiting: deque[Numbered] = deque()
        self._signal = asyncio.Event()
        self._must_look = False
        self.look()

    def give(self, events: Sequence[Numbered]) -> None:
        if len(self._waiting) + len(events) > MOST_WAITING:
            self.look()
            return
        self._waiting.extend(events)
        self._signal.set()

    def look(self) -> None:
        self._waiting.clear()
        self._must_look = True
        self._signal.set()

    async def wait(self, seconds: float) -> bool:
        """Whether something came in this time."""
        try:
            async with asyncio.timeout(seconds):
                await self._signal.wait()
        except TimeoutError:
            return False
        return True

    def take(self, *, after: int) -> list[Numbered] | None:
        """What came next after this number; None where the rows have to say."""
        self._signal.clear()
        if self._must_look:
            self._must_look = False
            return None
        taken = [event for event in self._waiting if event.number > after]
        self._waiting.clear()
        is_whole = all(event.number == after + step for step, event in enumerate(taken, start=1))
        return taken if is_whole else None


async def follow(
    conversation_id: UUID, *, after: int, message_id: UUID | None = None, stays: bool = False
) -> AsyncGenerator[Event, None]:
    """The events after this number as they come, to the end of the turn that is at work; with `message_id`, of that
    one. One that stays waits for further turns, too.
    """
    reader = Reader()
    here = hub().readers.setdefault(conversation_id, set())
    here.add(reader)
    try:
        async for numbered, is_at_work in _arriving(conversation_id, reader, after=after):
            for event in numbered:
                yield event.as_event()
                if event.message_id == message_id and event.name in TERMINAL:
                    return
            if not is_at_work and message_id is None and not stays:
                return
    finally:
        here.discard(reader)
        if not here:
            hub().readers.pop(conversation_id, None)


async def _arriving(
    conversation_id: UUID, reader: Reader, *, after: int
) -> AsyncGenerator[tuple[list[Numbered], bool], None]:
    """Batches of events, each with whether more can be expected."""
    last = after
    while True:
        try:
            taken, is_at_work = await _next(conversation_id, reader, after=last)
        except AWAY as error:
            # Nothing is lost meanwhile: it stands in the rows, or will.
            log.warning("turn_events_not_read", conversation=str(conversation_id), error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            reader.look()
            continue
        if taken:
            last = taken[-1].number
        yield taken, is_at_work


async def _next(conversation_id: UUID, reader: Reader, *, after: int) -> tuple[list[Numbered], bool]:
    """What came next, which may be nothing for a while, and whether more can be expected."""
    if not await reader.wait(LOOK_SECONDS):
        await in_database(endings.close_abandoned, conversation_id)
        reader.look()
    taken = reader.take(after=after)
    if taken is not None:
        return taken, not taken or taken[-1].name not in TERMINAL
    taken, is_at_work = await event_log.read(conversation_id, after=after)
    if len(taken) == event_log.BATCH:
        reader.look()
        is_at_work = True
    return taken, is_at_work
