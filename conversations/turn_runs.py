"""The turns that this process carries: each runs to its end in the background, whoever has left meanwhile.

Events are written a flush at a time. A turn ends by itself, by `cancel`, when the process stops, or when somebody else
has taken it for dead; in each case its last event is written once.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from conversations import endings, event_log
from conversations.endings import Outcome
from conversations.event_log import Appended, Held
from conversations.following import hub
from conversations.turn_story import Story
from magnet.callers import Caller, bind_caller
from magnet.database import in_database
from magnet.errors import MagnetError, ServerStopping
from magnet.web.streaming import Event

log = structlog.get_logger(__name__)

# The first event of a lull is written at once, those that follow it together.
FLUSH_SECONDS = 0.06
BEAT_SECONDS = 5.0
# How long a process that stops waits for its turns, and then for their last words.
DRAIN_SECONDS, LAST_WORDS_SECONDS = 5.0, 3.0
# A database that is away for so long is not waited for: others then take the turn for dead.
RETRY_SECONDS, MOST_RETRIES = 1.0, 25
AWAY = (OperationalError, PoolTimeout, DatabaseError)

# Strong references: the event loop keeps only weak ones.
_runs: dict[UUID, TurnRun] = {}


def start(held: Held, events: AsyncGenerator[Event, None], *, caller: Caller, said_before: str = "") -> TurnRun:
    """Carry a turn in the background of this process; of one that goes on, with what it has said before."""
    run = TurnRun(held, events, caller=caller, said_before=said_before)
    _runs[held.message_id] = run
    return run


def cancel(message_id: UUID) -> None:
    """Stop a turn that this process carries; of others, nothing is known here."""
    run = _runs.get(message_id)
    if run is not None and run.loop is asyncio.get_running_loop():
        run.stop(None)


def stop_all() -> None:
    """End what this loop carries with a clear error, because the server stops."""
    for run in _here():
        run.stop(ServerStopping())


async def drain(*, seconds: float = DRAIN_SECONDS) -> None:
    """Wait for the turns at work; what takes longer is ended."""
    if tasks := [run.task for run in _here()]:
        await asyncio.wait(tasks, timeout=seconds)
    stop_all()
    if tasks := [run.task for run in _here()]:
        await asyncio.wait(tasks, timeout=LAST_WORDS_SECONDS)


def _here() -> list[TurnRun]:
    loop = asyncio.get_running_loop()
    return [run for run in list(_runs.values()) if run.loop is loop]


class TurnRun:
    def __init__(
        self, held: Held, events: AsyncGenerator[Event, None], *, caller: Caller, said_before: str = ""
    ) -> None:
        self.held, self.story = held, Story(said_before)
        self.loop, self.hub = asyncio.get_running_loop(), hub()
        self._events = events
        self._arrived = asyncio.Event()
        # Why it was stopped: an error, or None for a cancellation.
        self._reason: MagnetError | None = None
        self._is_stopped = self._is_lost = self._is_ending = False
        # In a context of its own: the request that began it ends before.
        self.task = self.loop.create_task(self._run(caller), context=contextvars.Context())
        self.task.add_done_callback(lambda _task: _runs.pop(held.message_id, None))

    def stop(self, reason: MagnetError | None) -> None:
        if self._is_stopped or self._is_ending:
            return
        self._is_stopped, self._reason = True, reason
        self.task.cancel()

    async def _run(self, caller: Caller) -> None:
        bind_caller(caller)
        writing = self.loop.create_task(self._keep_writing())
        try:
            outcome = await self._read()
        finally:
            # From here on nobody stops it: its last event is on its way.
            self._is_ending = True
            writing.cancel()
            while not writing.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([writing])
        if not self._is_lost:
            await self._end(outcome)

    async def _read(self) -> Outcome:
        try:
            async with aclosing(self._events) as events:
                async for event in events:
                    self.story.take(event)
                    self._arrived.set()
            return self.story.outcome()
        except asyncio.CancelledError:
            if self._is_stopped and self._reason is None:
                return self.story.cancelled()
            return self.story.failed(self._reason or ServerStopping())
        except MagnetError as error:
            return self.story.failed(error)
        except Exception as fault:
            # A turn has exactly one end, whatever went wrong in it.
            log.error("turn_failed", message=str(self.held.message_id), exc_info=fault)
            return self.story.failed(
                MagnetError("Something went wrong on our side. Ask again, and name the message if it stays so.")
            )

    # -- Writing ---------------------------------------------------------------------------------------------------

    async def _keep_writing(self) -> None:
        while True:
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                await self._tried(self._beat)
                continue
            await self._tried(self._flush)
            await asyncio.sleep(FLUSH_SECONDS)

    async def _tried(self, write: Any) -> None:
        try:
            await write()
        except AWAY as error:
            log.warning("turn_events_wait", message=str(self.held.message_id), error=str(error))
            self._arrived.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _flush(self) -> None:
        self._arrived.clear()
        waiting, documents = self.story.unwritten()
        if not waiting:
            return
        # Shielded: what was written must be known to be, or it would be written twice.
        writing = asyncio.ensure_future(
            event_log.append(self.held, waiting, documents=documents, origin=self.hub.origin)
        )
        try:
            appended = await asyncio.shield(writing)
        except asyncio.CancelledError:
            self._note(await writing)
            raise
        self._note(appended)

    def _note(self, appended: Appended | None) -> None:
        if appended is None:
            self._lose()
            return
        self.story.note_written()
        self.hub.publish(self.held.conversation_id, appended.events)
        if appended.is_cancelled:
            self.stop(None)

    async def _beat(self) -> None:
        is_cancelled = await event_log.beat(self.held)
        if is_cancelled is None:
            self._lose()
        elif is_cancelled:
            self.stop(None)

    def _lose(self) -> None:
        """Somebody has ended the turn, because it was silent for too long; its last event is written."""
        self._is_lost = True
        self.stop(ServerStopping())

    async def _end(self, outcome: Outcome) -> None:
        for _ in range(MOST_RETRIES):
            try:
                await self._flush()
                if self._is_lost:
                    return
                written = await in_database(
                    endings.end, self.held.message_id, outcome, holder=self.held.holder, origin=self.hub.origin
                )
            except AWAY as error:
                log.warning("turn_end_waits", message=str(self.held.message_id), error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if written is not None:
                self.hub.publish(self.held.conversation_id, [written])
            return
