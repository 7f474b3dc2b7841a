"""Turns across processes: read along, resumed and cancelled from another one, and ended when theirs was killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess

import httpx
import psycopg
import pytest
from django.conf import settings

from conversations import following, turn_runs
from conversations.models import Conversation, Message
from magnet.database import in_database, raw_pool
from magnet.models import ApiKey
from tests.conversations.chatting import STREAM, begin, parsed, text_of
from tests.conversations.talking import (
    PATIENCE_SECONDS,
    STARTED,
    Endless,
    a_conversation,
    a_turn,
    age,
    completed,
    message_of,
    read_all,
    start,
    texts,
    told,
)
from tests.fake_openai import Scripted
from tests.fixtures_api import bearer
from tests.processes import PYTHON, ROOT, environment, eventually, free_port, url_of_test_database

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = [f"word{number} " for number in range(30)]


@pytest.fixture
def key(issue_key) -> str:
    return issue_key()


def a_turn_of(key: str):
    row = ApiKey.objects.get(prefix=key[:12])
    return a_turn(a_conversation(caller_type="key", caller_id=str(row.pk)))


@pytest.mark.usefixtures("in_a_process")
async def test_another_process_reads_along_and_resumes_where_it_was(live_api, key):
    held = await in_database(a_turn_of, key)
    run = start(held, told(STARTED, *texts(*WORDS), completed("".join(WORDS)), pause=0.05))
    client, url = live_api.client(key), f"/api/conversations/{held.conversation_id}/events"

    whole = await asyncio.to_thread(client.get, url)
    rest = await asyncio.to_thread(client.get, url, headers={"Last-Event-ID": "3"})

    assert run.task.done()
    events = parsed(whole.text)
    assert (text_of(events), events[-1][1]) == ("".join(WORDS), "completed")
    # Texts that follow each other travel together, under the number of the last.
    assert "".join(WORDS).endswith(text_of(parsed(rest.text)))
    assert parsed(rest.text)[-1] == events[-1]


@pytest.mark.usefixtures("in_a_process")
async def test_another_process_cancels(live_api, key):
    held, endless = await in_database(a_turn_of, key), Endless()
    start(held, endless.events())

    answer = await asyncio.to_thread(
        live_api.client(key).post, f"/api/conversations/{held.conversation_id}/cancel", timeout=PATIENCE_SECONDS
    )

    assert answer.json()["status"] == "cancelled"
    assert endless.is_closed


@pytest.mark.usefixtures("in_a_process")
async def test_five_hundred_readers_hold_no_connection_and_leave_nothing_behind():
    held, endless = await in_database(a_turn), Endless()
    start(held, endless.events())
    started: set[int] = set()

    async def read(number):
        names = []
        async for event in following.follow(held.conversation_id, after=0):
            started.add(number)
            names.append(event.name)
        return names[-1]

    readers = [asyncio.create_task(read(number)) for number in range(500)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(started) < len(readers):  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.05)
    waiting = (await raw_pool()).get_stats().get("requests_waiting", 0)
    turn_runs.cancel(held.message_id)
    async with asyncio.timeout(PATIENCE_SECONDS):
        last = await asyncio.gather(*readers)

    assert waiting == 0
    assert set(last) == {"completed"}
    assert following.hub().readers == {}


@pytest.mark.usefixtures("in_a_process")
async def test_a_database_that_comes_back_gets_what_was_said_meanwhile():
    held = await in_database(a_turn)
    run = start(held, told(STARTED, *texts(*WORDS), completed("".join(WORDS)), pause=0.05))
    reading = following.follow(held.conversation_id, after=0)
    await anext(reading)
    await reading.aclose()

    await in_database(_cut_everybody_off)

    await asyncio.wait_for(run.task, PATIENCE_SECONDS)
    assert (await message_of(held)).status == "done"
    assert "".join(event.data["text"] for event in await read_all(held) if event.name == "text") == "".join(WORDS)


def _cut_everybody_off():
    with psycopg.connect(url_of_test_database(), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() and query like '%conversations_message%'"
        )


@pytest.mark.crash
async def test_a_killed_process_leaves_no_turn_open(chat, desk, tmp_path):
    desk.rule = lambda body: Scripted(text="word " * 2_000, delta_seconds=0.02)
    conversation = await begin(chat)
    key = chat.headers["Authorization"].removeprefix("Bearer ")
    port = free_port()
    web = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        [PYTHON, str(ROOT / "manage.py"), "web", "--port", str(port)],
        cwd=ROOT,
        env=environment(
            tmp_path,
            DATABASE_URL=url_of_test_database(),
            MAGNET_SECRET_KEY=settings.SECRET_KEY,
            MAGNET_ENCRYPTION_KEYS=",".join(settings.ENCRYPTION_KEYS),
            MAGNET_ALLOWED_PRIVATE_HOSTS="127.0.0.1",
        ),
    )
    try:
        got = await asyncio.to_thread(_read_until_killed, web.pid, port, key, conversation)
    finally:
        web.kill()
        await asyncio.to_thread(web.wait)
    message = await in_database(Message.objects.get, role="assistant")
    assert message.status == "running"
    await in_database(age, message.pk, seconds=31)

    again = await chat.get(f"/api/conversations/{conversation}/events")

    events = parsed(again.text)
    assert (events[-1][1], events[-1][2]["code"]) == ("error", "turn_lost")
    assert text_of(events).startswith(text_of(got))
    assert sorted({number for number, _, _ in events}) == [number for number, _, _ in events]
    row = await in_database(Conversation.objects.get, pk=conversation)
    assert row.last_event == events[-1][0]


def _read_until_killed(pid: int, port: int, key: str, conversation: str):
    """Read the answer from that process until some of it is there, and kill the process."""
    base = f"http://127.0.0.1:{port}"
    assert eventually(lambda: _is_up(base), seconds=30)
    url, heard = f"{base}/api/conversations/{conversation}/messages", ""
    body = {"text": "Tell me a story."}
    try:
        with httpx.stream("POST", url, json=body, headers={**bearer(key), **STREAM}, timeout=60) as answer:
            for piece in answer.iter_text():
                heard += piece
                if heard.count("event: text") >= 3:
                    os.kill(pid, signal.SIGKILL)
    except httpx.TransportError:
        pass
    return parsed(heard.rpartition("\n\n")[0])


def _is_up(base: str) -> bool:
    try:
        return httpx.get(f"{base}/health/live", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
