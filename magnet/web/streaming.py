"""Events of an answer as server-sent events: numbered, kept alive, and with exactly one end.

The events are read by a task of their own, so that a slow reader, a heartbeat and the joining of small texts never
touch the generator that produces them, and leaving closes it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.module_loading import import_string

from magnet.callers import current_caller
from magnet.errors import MagnetError, ServerStopping
from magnet.web.problems import plain_json, problem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15.0
# What is ended in the background has so long to tell it to those who read along.
LAST_WORDS_SECONDS = 0.5
# Texts that arrive within this time of the last one sent travel together: a frame for each token costs too much.
JOIN_SECONDS = 0.03
TERMINAL = ("completed", "error")
HEARTBEAT = b": still here\n\n"

# The answers that are being streamed, for the moment at which the server ends.
_open: set[_Inbox] = set()

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=plain_json).encode


@dataclass(frozen=True)
class Event:
    """One event of an answer: started, passages, text, completed or error. `data` is JSON.

    `number` is its id where events are kept and can be read again; others are counted as they are sent.
    """

    name: str
    data: dict[str, Any]
    number: int | None = None


Frame = Callable[[Event, int | None], bytes]


def wants_stream(request: HttpRequest) -> bool:
    return "text/event-stream" in request.headers.get("Accept", "")


def event_stream(
    events: AsyncIterator[Event],
    *,
    heartbeat_seconds: float | None = None,
    instance: str = "",
    is_resumable: bool = False,
    frame: Frame | None = None,
) -> StreamingHttpResponse:
    """The response that sends `events`; closing it, or a client that leaves, closes their generator.

    Resumable ones are kept elsewhere: there may be several answers in a row, and they end where their generator does.
    `frame` writes an event in the words of another protocol; what that one does not tell is empty.
    """
    inbox = _Inbox(instance=instance, request_id=current_caller().request_id, is_resumable=is_resumable)
    seconds = heartbeat_seconds or HEARTBEAT_SECONDS
    frames = _frames(events, inbox, heartbeat_seconds=seconds, frame=frame or _frame)
    response = StreamingHttpResponse(frames, content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    # Proxies that buffer would hand everything over at once.
    response["X-Accel-Buffering"] = "no"
    return response


def end_all() -> None:
    """End every stream with an `error` event, because the server stops; in the event loop of the streams.

    First the upper floors end what they carry in the background: whoever reads along hears it from there.
    """
    for end in map(import_string, settings.ENDED_WITH_STREAMS):
        end()
    loop = asyncio.get_running_loop()
    for inbox in list(_open):
        loop.call_later(LAST_WORDS_SECONDS if inbox.is_resumable else 0, inbox.fail, ServerStopping())


async def _frames(
    events: AsyncIterator[Event], inbox: _Inbox, *, heartbeat_seconds: float, frame: Frame
) -> AsyncGenerator[bytes, None]:
    reading = asyncio.create_task(_read(events, inbox))
    number = 0
    _open.add(inbox)
    try:
        while True:
            if not await inbox.has_something(heartbeat_seconds):
                yield HEARTBEAT
                continue
            if taken := inbox.take():
                counted = enumerate(taken, start=number + 1)
                written = [frame(event, event.number if inbox.is_resumable else step) for step, event in counted]
                if any(written):
                    yield b"".join(written)
                number += len(taken)
            if inbox.is_over:
                return
            if taken and taken[-1].name == "text":
                await inbox.collect(JOIN_SECONDS)
    finally:
        _open.discard(inbox)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


def _frame(event: Event, number: int | None) -> bytes:
    # What has no number, such as an error about a resumable stream, does not move the place to resume from.
    place = "" if number is None else f"id: {number}\n"
    return f"{place}event: {event.name}\ndata: {_encode(event.data)}\n\n".encode("utf-8", "replace")


async def _read(events: AsyncIterator[Event], inbox: _Inbox) -> None:
    """Put every event into the inbox, up to and with the terminal one, which this adds where it is missing."""
    try:
        async with aclosing(events) as source:  # type: ignore[type-var]  # every source is a generator
            async for event in source:
                inbox.put(event)
                if event.name in TERMINAL and not inbox.is_resumable:
                    return
        if inbox.is_resumable:
            inbox.end()
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

    def __init__(self, *, instance: str, request_id: str, is_resumable: bool) -> None:
        self.instance, self.request_id, self.is_resumable = instance, request_id, is_resumable
        self._is_ended = False
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        # Set by everything but text, which nobody needs to wait for.
        self._is_urgent = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether nothing waits and nothing more will come."""
        return self._is_ended and not self._events

    def fail(self, error: MagnetError) -> None:
        self.put(Event("error", problem(error, instance=self.instance, request_id=self.request_id)))
        self.end()

    def end(self) -> None:
        self._is_ended = True
        self._arrived.set()
        self._is_urgent.set()

    def put(self, event: Event) -> None:
        """Take an event in; after the end nothing more."""
        if self._is_ended:
            return
        self._is_ended = event.name in TERMINAL and not self.is_resumable
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
                text = taken[-1].data["text"] + event.data["text"]
                taken[-1] = Event("text", {**event.data, "text": text}, event.number)
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
