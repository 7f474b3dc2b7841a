"""Turns run to their end whoever leaves, everybody reads the same, and each has exactly one last event."""

from __future__ import annotations

import asyncio

import pytest

from conversations import endings, event_log, following, turn_runs
from conversations.models import Message, TurnEvent
from magnet.database import in_database
from magnet.errors import ProviderBusy
from magnet.web.streaming import TERMINAL, Event
from tests.conversations.talking import (
    PATIENCE_SECONDS,
    STARTED,
    Endless,
    a_turn,
    age,
    completed,
    message_of,
    read_all,
    start,
    text_of,
    texts,
    told,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("in_a_process")]

WORDS = [f"word{number} " for number in range(40)]


def last_events(held):
    return list(TurnEvent.objects.filter(message=held.message_id, name__in=TERMINAL).values_list("name", flat=True))


async def test_what_an_agent_says_is_read_as_it_comes_and_kept():
    held = await in_database(a_turn)
    start(held, told(STARTED, *texts(*WORDS), completed("".join(WORDS), topic="parcels"), pause=0.005))

    events = await read_all(held)

    assert text_of(events) == "".join(WORDS)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert (events[0].name, events[-1].name) == ("started", "completed")
    message = await message_of(held)
    assert (message.status, message.text, message.topic) == ("done", "".join(WORDS), "parcels")
    assert (message.holder, message.heartbeat_at) == (None, None)


async def test_a_turn_goes_on_when_nobody_reads_it():
    held = await in_database(a_turn)
    run = start(held, told(STARTED, *texts(*WORDS), completed("".join(WORDS)), pause=0.005))
    reading = following.follow(held.conversation_id, after=0)
    await anext(reading)
    await reading.aclose()

    await asyncio.wait_for(run.task, PATIENCE_SECONDS)

    assert (await message_of(held)).status == "done"
    assert text_of(await read_all(held)) == "".join(WORDS)


async def test_two_tabs_and_one_that_comes_late_read_the_same():
    held = await in_database(a_turn)
    start(held, told(STARTED, *texts(*WORDS), completed("".join(WORDS)), pause=0.01))
    first, second = asyncio.create_task(read_all(held)), asyncio.create_task(read_all(held))

    tabs = [await first, await second, await read_all(held)]

    assert tabs[0] == tabs[1] == tabs[2]
    assert text_of(tabs[2]) == "".join(WORDS)


async def test_a_client_that_reconnects_a_hundred_times_misses_and_repeats_nothing():
    held = await in_database(a_turn)
    start(held, told(STARTED, *texts(*WORDS * 8), completed("".join(WORDS * 8)), pause=0.01))
    got: list[Event] = []

    for _ in range(100):
        reading = following.follow(held.conversation_id, after=got[-1].number or 0 if got else 0)
        got += [event async for _, event in _some(reading, 2)]
        await reading.aclose()
    got += await read_all(held, after=got[-1].number or 0)

    assert [event.number for event in got] == list(range(1, len(got) + 1))
    assert text_of(got) == "".join(WORDS * 8)
    assert sum(event.name in TERMINAL for event in got) == 1


async def _some(reading, count):
    for number in range(count):
        try:
            async with asyncio.timeout(0.5):
                yield number, await anext(reading)
        except (StopAsyncIteration, TimeoutError):
            return


async def test_who_cancels_stops_the_agent_and_keeps_what_was_said():
    held, endless = await in_database(a_turn), Endless()
    start(held, endless.events())
    reading = following.follow(held.conversation_id, after=0)
    async for event in reading:
        if event.name == "text":
            break

    turn_runs.cancel(held.message_id)

    last = [event async for event in reading][-1]
    assert (last.name, last.data["status"]) == ("completed", "cancelled")
    assert endless.is_closed
    message = await message_of(held)
    assert message.status == "cancelled"
    assert message.text.startswith("and and")


async def test_a_turn_that_fails_says_why_once():
    async def failing():
        yield STARTED
        yield Event("text", {"text": "Half an "})
        raise ProviderBusy("Come back later.")

    held = await in_database(a_turn)
    start(held, failing())

    events = await read_all(held)

    assert (events[-1].name, events[-1].data["code"]) == ("error", "provider_busy")
    assert await in_database(last_events, held) == ["error"]
    message = await message_of(held)
    assert (message.status, message.text, message.failure["detail"]) == ("failed", "Half an ", "Come back later.")


async def test_a_fault_of_our_own_tells_nothing_of_the_inside():
    async def broken():
        yield STARTED
        raise RuntimeError("password=hunter2")

    held = await in_database(a_turn)
    start(held, broken())

    events = await read_all(held)

    assert events[-1].name == "error"
    assert "hunter2" not in str(events)


async def test_a_process_that_stops_waits_a_moment_and_then_ends_its_turns():
    quick, slow = await in_database(a_turn), await in_database(a_turn)
    start(quick, told(STARTED, completed("Here."), pause=0.05))
    start(slow, Endless().events())

    await turn_runs.drain(seconds=1)

    assert (await message_of(quick)).status == "done"
    message = await message_of(slow)
    assert (message.status, message.failure["code"]) == ("failed", "server_stopping")
    assert (await read_all(slow))[-1].data["code"] == "server_stopping"


async def test_a_turn_whose_process_died_is_closed_by_whoever_looks(monkeypatch):
    held = await in_database(a_turn)
    await event_log.append(held, [STARTED, *texts("Your parcel ")], documents=[], origin="gone")
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    reading = asyncio.create_task(read_all(held))
    await asyncio.sleep(0.2)
    assert not reading.done()

    await in_database(age, held.message_id, seconds=31)

    last = (await asyncio.wait_for(reading, PATIENCE_SECONDS))[-1]
    assert (last.name, last.data["code"]) == ("error", "turn_lost")
    message = await message_of(held)
    assert (message.status, message.text) == ("failed", "Your parcel ")
    assert await in_database(endings.close_abandoned) == 0


async def test_a_process_that_wakes_late_writes_nothing_any_more():
    held, endless = await in_database(a_turn), Endless()
    run = start(held, endless.events())
    await in_database(age, held.message_id, seconds=31)
    lost = endings.Outcome.failed(endings.TurnLost())
    await in_database(endings.end, held.message_id, lost, holder=held.holder)

    await asyncio.wait_for(run.task, PATIENCE_SECONDS)

    assert endless.is_closed
    events = await read_all(held)
    assert events[-1].data["code"] == "turn_lost"
    assert await in_database(last_events, held) == ["error"]


async def test_of_two_that_end_a_turn_one_wins():
    held = await in_database(a_turn)
    outcome = endings.Outcome(Message.Status.DONE, {"text": "Here."})

    written = await asyncio.gather(*(in_database(endings.end, held.message_id, outcome) for _ in range(5)))

    assert sum(each is not None for each in written) == 1
    assert await in_database(last_events, held) == ["completed"]


async def test_nul_and_half_characters_do_not_break_a_turn():
    held = await in_database(a_turn)
    start(held, told(STARTED, *texts("a\0b", "\ud83d"), completed("a\0b\ud83d")))

    events = await read_all(held)

    assert events[-1].name == "completed"
    assert (await message_of(held)).text == "ab?"
