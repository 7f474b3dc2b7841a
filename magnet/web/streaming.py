"""Events of an answer as server-sent events: numbered, kept alive, and with exactly one end.

The events are read by a task of their own, so that a slow reader, a heartbeat and the joining of small texts never
touch the generator that produces them, and leaving closes it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from django.http import HttpRequest, StreamingHttpResponse

from magnet.callers import current_caller
from magnet.errors import MagnetError, ServerStopping
from magnet.web.problems import plain_json, problem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15.0
# Texts that arrive within this time of the last one sent travel together: a frame for each token costs too much.
JOIN_SECONDS = 0.03
TERMINAL = ("completed", "error")
HEARTBEAT = b": still here\n\n"

# The answers that are being streamed, for the moment at which the server ends.
_open: set[_Inbox] = set()

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=plain_json).encode


@dataclass(frozen=True)
class Event:
    """One event of an answer: started, passages, text, completed or error. `data` is JSON."""

    name: str
    data: dict[str, Any]


def wants_stream(request: HttpRequest) -> bool:
    return "text/event-stream" in request.headers.get("Accept", "")


def event_stream(
    events: AsyncIterator[Event], *, heartbeat_seconds: float | None = None, instance: str = ""
) -> StreamingHttpResponse:
    """The response that sends `events`; closing it, or a client that leaves, closes their generator."""
    frames = _frames(events, heartbeat_seconds=heartbeat_seconds or HEARTBEAT_SECONDS, instance=instance)
    response = StreamingHttpResponse(frames, content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    # Proxies that buffer would hand everything over at once.
    response["X-Accel-Buffering"] = "no"
    return response


def end_all() -> None:
    """End every stream with an `error` event, because the server stops; in the event loop of the streams."""
    for inbox in list(_open):
        inbox.fail(ServerStopping())


async def _frames(
    events: AsyncIterator[Event], *, heartbeat_seconds: float, instance: str
) -> AsyncGenerator[bytes, None]:
    inbox = _Inbox(instance=instance, request_id=current_caller().request_id)
    reading = asyncio.create_task(_read(events, inbox))
    number = 0
    _open.add(inbox)
    try:
        while True:
            if not await inbox.has_something(heartbeat_seconds):
                yield HEARTBEAT
                continue
            taken = inbox.take()
            yield b"".join(_frame(number + step, event) for step, event in enumerate(taken, start=1))
            number += len(taken)
            if taken[-1].name in TERMINAL:
                return
            if taken[-1].name == "text":
                await inbox.collect(JOIN_SECONDS)
    finally:
        _open.discard(inbox)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


def _frame(number: int, event: Event) -> bytes:
    return f"id: {number}\nevent: {event.name}\ndata: {_encode(event.data)}\n\n".encode("utf-8", "replace")


async def _read(events: AsyncIterator[Event], inbox: _Inbox) -> None:
    """Put every event into the inbox, up to and with the terminal one, which this adds where it is missing."""
    try:
        async with aclosing(events) as source:  # type: ignore[type-var]  # every source is a generator
            async for event in source:
                inbox.put(event)
                if event.name in TERMINAL:
                    return
        error = MagnetError("The answer ended before it was complete. Ask again.")
    except MagnetError as refused:
        error = refused
    except Exception as fault:
        log.error("stream_failed", exc_info=fault)
        error = MagnetError("Something went wrong on our side. Ask again, and name the request id if it stays so.")
    inbox.fail(error)


class _Inbox:
    """What was read and not yet sent; texts that follow each other are joined."""

    def __init__(self, *, instance: str, request_id: str) -> None:
        self.instance, self.request_id = instance, request_id
        self._is_over = False
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        # Set by everything but text, which nobody needs to wait for.
        self._is_urgent = asyncio.Event()

    def fail(self, error: MagnetError) -> None:
        self.put(Event("error", problem(error, instance=self.instance, request_id=self.request_id)))

    def put(self, event: Event) -> None:
        """Take an event in; after the terminal one nothing more."""
        if self._is_over:
            return
        self._is_over = event.name in TERMINAL
        self._events.append(event)
        self._arrived.set()
        if event.name != "text":
            self._is_urgent.set()

    async def has_something(self, seconds: float) -> bool:
        return await _set_within(self._arrived, seconds)

    async def collect(self, seconds: float) -> None:
        await _set_within(self._is_urgent, seconds)

    def take(self) -> list[Event]:
        """Everything that waits, with neighbouring texts joined into one."""
        taken: list[Event] = []
        while self._events:
            event = self._events.popleft()
            if taken and event.name == taken[-1].name == "text":
                taken[-1] = Event("text", {**event.data, "text": taken[-1].data["text"] + event.data["text"]})
            else:
                taken.append(event)
        self._arrived.clear()
        self._is_urgent.clear()
        return taken


async def _set_within(signal: asyncio.Event, seconds: float) -> bool:
    if signal.is_set():
        return True
    try:
        async with asyncio.timeout(seconds):
            await signal.wait()
    except TimeoutError:
        return False
    return True
