"""Events on the wire: numbered, joined, kept alive, ended once, and stopped when nobody listens."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest

from magnet.errors import ProviderBusy
from magnet.web.entrance import Entrance
from magnet.web.streaming import Event, end_all, event_stream

COMPLETED = Event("completed", {"cost": Decimal("0.0000002")})


async def frames_of(events, **settings):
    return [frame async for frame in event_stream(events, **settings)]


def parsed(frames):
    """(id, name, data) of each event."""
    found = []
    for block in b"".join(frames).decode().strip().split("\n\n"):
        if block.startswith(":"):
            continue
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


async def say(*events, pause=0.0):
    for event in events:
        await asyncio.sleep(pause)
        yield event


async def test_events_are_numbered_and_end_with_the_terminal_one():
    events = parsed(await frames_of(say(Event("started", {}), Event("text", {"text": "Hi\n\n“you”"}), COMPLETED)))
    assert [(number, name) for number, name, _ in events] == [(1, "started"), (2, "text"), (3, "completed")]
    assert events[1][2] == {"text": "Hi\n\n“you”"}
    assert events[2][2] == {"cost": "0.0000002"}


async def test_nothing_follows_the_terminal_event():
    events = parsed(await frames_of(say(COMPLETED, Event("text", {"text": "more"}), COMPLETED)))
    assert [name for _, name, _ in events] == ["completed"]


async def test_small_texts_travel_together_but_the_first_one_at_once():
    texts = [Event("text", {"text": f"{number} "}) for number in range(60)]
    frames = await frames_of(say(*texts, COMPLETED, pause=0.002))
    events = parsed(frames)
    assert events[0][2]["text"].startswith("0 ")
    assert len(events[0][2]["text"]) < 10
    assert "".join(data["text"] for _, name, data in events if name == "text") == "".join(e.data["text"] for e in texts)
    assert 3 <= len(events) <= 20


async def test_while_nothing_comes_a_comment_keeps_the_line_open():
    frames = await frames_of(say(Event("started", {}), COMPLETED, pause=0.1), heartbeat_seconds=0.03)
    assert frames.count(b": still here\n\n") >= 2
    assert [name for _, name, _ in parsed(frames)] == ["started", "completed"]


async def failing(error):
    yield Event("text", {"text": "Half an "})
    raise error


async def test_an_error_in_mid_stream_is_the_last_event():
    busy = ProviderBusy("Come back later.", retry_after_seconds=6.2)
    events = parsed(await frames_of(failing(busy), instance="/api/x"))
    _, name, said = events[-1]
    assert name == "error"
    assert (said["code"], said["status"], said["detail"]) == ("provider_busy", 503, "Come back later.")
    assert said["instance"] == "/api/x"
    assert said["retry_after_seconds"] == 7


async def test_a_fault_of_our_own_tells_nothing_of_the_inside():
    events = parsed(await frames_of(failing(RuntimeError("password=hunter2"))))
    assert events[-1][1] == "error"
    assert "hunter2" not in str(events)


async def test_an_answer_that_just_stops_ends_with_an_error():
    events = parsed(await frames_of(say(Event("text", {"text": "Half"}))))
    assert [name for _, name, _ in events] == ["text", "error"]


@pytest.mark.parametrize("reads", [1, 2])
async def test_who_leaves_stops_the_answer(reads):
    closed = asyncio.Event()

    async def endless():
        try:
            while True:
                yield Event("text", {"text": "on "})
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    frames = event_stream(endless())._iterator
    for _ in range(reads):
        await anext(frames)
    await frames.aclose()
    assert closed.is_set()


def test_the_headers_keep_proxies_from_collecting():
    response = event_stream(say(COMPLETED))
    assert response["Content-Type"].startswith("text/event-stream")
    assert response["Cache-Control"] == "no-cache"
    assert response["X-Accel-Buffering"] == "no"


async def test_a_server_that_stops_says_so_in_every_stream():
    async def endless():
        while True:
            yield Event("text", {"text": "and "})
            await asyncio.sleep(0.001)

    streams = [asyncio.create_task(frames_of(endless(), instance=f"/answer/{number}")) for number in range(3)]
    await asyncio.sleep(0.05)
    end_all()
    for number, frames in enumerate(await asyncio.wait_for(asyncio.gather(*streams), 5)):
        _, name, last = parsed(frames)[-1]
        assert (name, last["code"], last["instance"]) == ("error", "server_stopping", f"/answer/{number}")


async def test_a_server_that_stops_says_so_to_who_waits_for_a_whole_answer():
    sent = []

    async def slow(scope, receive, send):
        await asyncio.sleep(60)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/health/live", "headers": []}
    visit = asyncio.create_task(Entrance(slow)(scope, receive, send))
    await asyncio.sleep(0.05)
    visit.cancel()
    await asyncio.wait_for(visit, 5)
    assert sent[0]["status"] == 503
    assert (b"Retry-After", b"5") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["code"] == "server_stopping"
    assert sent[-1] == {"type": "http.response.body", "body": b""}
