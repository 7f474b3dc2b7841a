"""Conversations over the API: what is said is kept, answered whole or streamed, and nobody reads those of others."""

from __future__ import annotations

import asyncio

import pytest

from conversations import endings
from conversations.models import Conversation, Message
from magnet.database import in_database
from magnet.models import Feedback
from tests.agents.acting import make_agent
from tests.conversations.chatting import STREAM, begin, parsed, say, stream, text_of
from tests.conversations.talking import PATIENCE_SECONDS, age
from tests.fake_openai import Scripted
from tests.fixtures_api import bearer

pytestmark = pytest.mark.django_db(transaction=True)


async def at_work():
    """Until the agent is answering."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await in_database(Message.objects.filter(status="running").exists):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)


async def test_an_integrator_talks_with_an_agent_in_two_calls(chat, desk):
    desk.script(Scripted(text="It is on its way."), Scripted(text="Tomorrow."))
    conversation = await begin(chat, user={"person": "ann@example.com"})

    first = await say(chat, conversation, "Where is my parcel?")
    second = await say(chat, conversation, "When will it come?")

    assert (first.status_code, first.json()["text"], first.json()["status"]) == (200, "It is on its way.", "done")
    assert second.json()["text"] == "Tomorrow."
    said = [message["content"] for message in desk.requests[-1].body["messages"] if message["role"] != "system"]
    assert said == ["Where is my parcel?", "It is on its way.", "When will it come?"]
    shown = (await chat.get(f"/api/conversations/{conversation}")).json()
    assert [message["text"] for message in shown["messages"]] == [
        "Where is my parcel?", "It is on its way.", "When will it come?", "Tomorrow.",
    ]  # fmt: skip
    assert (shown["title"], shown["user"], shown["status"]) == ("Where is my parcel?", "ann@example.com", "open")


async def test_an_answer_is_streamed_and_can_be_read_again_from_any_place(chat, desk):
    desk.script(Scripted(text="It is on its way to you, and will come tomorrow."))
    conversation = await begin(chat)

    events = await stream(chat, conversation, "Where is my parcel?")

    names = [name for _, name, _ in events]
    assert (names[0], names[-1], names.count("completed")) == ("started", "completed", 1)
    assert text_of(events) == events[-1][2]["text"] == "It is on its way to you, and will come tomorrow."
    assert "paused" not in events[-1][2]
    url = f"/api/conversations/{conversation}/events"
    again = parsed((await chat.get(url)).text)
    assert [name for _, name, _ in again] == names
    rest = parsed((await chat.get(url, headers={"Last-Event-ID": str(events[0][0])})).text)
    assert [number for number, _, _ in rest] == [number for number, _, _ in events[1:]]
    nothing = await chat.get(url, headers={"Last-Event-ID": str(events[-1][0])})
    assert nothing.status_code == 204
    assert (await chat.get(url, headers={"Last-Event-ID": "x"})).status_code == 400


async def test_a_second_question_waits_until_the_first_is_answered(chat, desk):
    desk.script(Scripted(text="Slowly.", delay_seconds=2))
    conversation = await begin(chat)
    first = asyncio.create_task(say(chat, conversation, "Where is my parcel?"))
    await at_work()

    second = await say(chat, conversation, "Hello?")

    assert (second.status_code, second.json()["code"]) == (409, "turn_at_work")
    assert second.json()["cancel"] == f"/api/conversations/{conversation}/cancel"
    assert (await first).json()["text"] == "Slowly."


async def test_of_many_questions_at_once_one_wins(chat, desk):
    desk.rule = lambda body: Scripted(text="One.", delay_seconds=1)
    conversation = await begin(chat)

    answers = await asyncio.gather(*(say(chat, conversation, f"Question {number}") for number in range(6)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert await in_database(Message.objects.count) == 2


async def test_a_turn_can_be_cancelled(chat, desk):
    desk.script(Scripted(text="word " * 400, delta_seconds=0.05))
    conversation = await begin(chat)
    reading = asyncio.create_task(stream(chat, conversation, "Tell me a story."))
    await at_work()

    answer = await chat.post(f"/api/conversations/{conversation}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    events = await reading
    assert (events[-1][1], events[-1][2]["status"]) == ("completed", "cancelled")
    assert desk.wait_until(lambda fake: fake.active == 0)
    assert (await chat.post(f"/api/conversations/{conversation}/cancel")).status_code == 409
    desk.script(Scripted(text="Gladly."))
    assert (await say(chat, conversation, "Shorter, please.")).json()["text"] == "Gladly."


async def test_what_a_dead_process_left_behind_does_not_block_the_conversation(chat, desk):
    conversation = await begin(chat)
    row = await in_database(Conversation.objects.get, pk=conversation)
    left = await in_database(
        Message.objects.create, conversation=row, position=1, role="assistant", status="running", holder=row.pk
    )
    await in_database(age, left.pk, seconds=40)
    await in_database(Conversation.objects.filter(pk=conversation).update, last_position=1)
    desk.script(Scripted(text="Here I am."))

    answer = await say(chat, conversation, "Hello?")

    assert answer.json()["text"] == "Here I am."
    assert (await in_database(Message.objects.get, pk=left.pk)).failure["code"] == "turn_lost"
    assert await in_database(endings.close_abandoned) == 0


async def test_nobody_sees_the_conversation_of_somebody_else(chat, desk, issue_key):
    conversation = await begin(chat, user={"person": "ann@example.com"})
    stranger = bearer(await in_database(issue_key, "agents:run", name="Other"))
    other_person = {"Magnet-Person": "bob@example.com"}
    key = bearer(await in_database(issue_key, "agents:run", name="Mine"))
    own = (await chat.post("/api/conversations", json={"agent": "desk", "user": {"person": "ann"}}, headers=key)).json()
    base = f"/api/conversations/{conversation}"

    for url in (base, f"{base}/messages", f"{base}/events", f"{base}/export"):
        assert (await chat.get(url, headers=stranger)).status_code == 404
    for path, body in (("messages", {"text": "Hi"}), ("cancel", None), ("close", None)):
        assert (await chat.post(f"{base}/{path}", json=body, headers=stranger)).status_code == 404
    assert (await chat.get("/api/conversations", headers=stranger)).json()["count"] == 0
    assert (await chat.get(f"/api/conversations/{own['id']}", headers={**key, **other_person})).status_code == 404
    assert (await chat.get(f"/api/conversations/{own['id']}", headers=key)).status_code == 200
    assert (await chat.get("/api/conversations", headers=key)).json()["count"] == 1


async def test_who_may_read_all_reads_but_does_not_speak(chat, desk, issue_key):
    conversation = await begin(chat)
    analyst = bearer(await in_database(issue_key, "conversations:read", "agents:run", name="Analyst"))

    assert (await chat.get(f"/api/conversations/{conversation}", headers=analyst)).status_code == 200
    said = await chat.post(f"/api/conversations/{conversation}/messages", json={"text": "Hi"}, headers=analyst)
    assert said.status_code == 404
    closed = await chat.post(f"/api/conversations/{conversation}/close", headers=analyst)
    assert closed.status_code == 404


@pytest.mark.parametrize("text", ["", "   ", "\0", "x" * 20_001, "x" * 1_000_000])
async def test_a_message_that_cannot_be_kept_is_refused(chat, desk, text):
    conversation = await begin(chat)

    answer = await say(chat, conversation, text)

    assert answer.status_code in (413, 422)
    assert await in_database(Message.objects.count) == 0


@pytest.mark.parametrize("text", ["👍🏽👩‍👩‍👧", "أين طردي؟", "‮abc"])
async def test_messages_in_any_script_are_kept_as_they_are(chat, desk, text):
    desk.script(Scripted(text=f"You said {text}"))
    conversation = await begin(chat)

    answer = await say(chat, conversation, text)

    assert answer.json()["text"] == f"You said {text}"
    kept = (await chat.get(f"/api/conversations/{conversation}")).json()["messages"]
    assert kept[0]["text"] == text


async def test_images_are_refused_where_the_model_does_not_see(chat, desk):
    conversation = await begin(chat)
    dot = "data:image/png;base64,iVBORw0KGgo="

    assert (await say(chat, conversation, "Look", attachments=[dot])).status_code == 422
    assert (await say(chat, conversation, "Look", attachments=["http://example.com/a.png"])).status_code == 422


async def test_a_broken_model_ends_the_turn_with_its_reason(chat, desk):
    desk.rule = lambda body: Scripted(status=401, body=b'{"error": {"message": "no"}}')
    conversation = await begin(chat)

    whole = (await say(chat, conversation, "Hello?")).json()

    assert (whole["status"], whole["failure"]["code"]) == ("failed", "provider_refused_key")
    assert whole["failure"]["detail"]


async def test_answers_are_rated_by_who_got_them(chat, desk, issue_key):
    desk.script(Scripted(text="It is on its way."))
    message = (await say(chat, await begin(chat), "Where is my parcel?")).json()
    stranger = bearer(await in_database(issue_key, "agents:run", name="Other"))
    url, body = f"/api/messages/{message['id']}/feedback", {"rating": "dislike", "reason": "outdated"}

    assert (await chat.post(url, json=body, headers=stranger)).status_code == 404
    answer = await chat.post(url, json=body)

    assert (answer.status_code, answer.json()["reason"]) == (200, "outdated")
    assert await in_database(Feedback.objects.count) == 1
    found = (await chat.get("/api/conversations", params={"rating": "dislike"})).json()
    assert found["count"] == 1
    assert (await chat.get("/api/conversations", params={"rating": "like"})).json()["count"] == 0


async def test_an_agent_that_is_not_there_is_not_talked_to(chat, desk):
    assert (await chat.post("/api/conversations", json={"agent": "nobody"})).status_code == 404
    assert (await chat.post("/api/conversations", json={"agent": "desk", "version": 9})).status_code == 404
    wrong = await chat.post("/api/conversations", json={"agent": "desk", "surprise": 1})
    assert wrong.status_code == 422


async def test_variables_are_proven_before_anything_is_said(chat, model):
    variables = [{"name": "customer", "type": "number"}]
    await in_database(make_agent, {"key": "a", "name": "A"}, slug="desk", variables=variables)

    assert (await chat.post("/api/conversations", json={"agent": "desk"})).status_code == 422
    wrong = {"agent": "desk", "variables": {"customer": "x"}}
    assert (await chat.post("/api/conversations", json=wrong)).status_code == 422
    right = {"agent": "desk", "variables": {"customer": 7}}
    assert (await chat.post("/api/conversations", json=right)).status_code == 201


async def test_a_message_that_is_sent_twice_is_answered_once(chat, desk):
    desk.script(Scripted(text="Once."), Scripted(text="Twice."))
    url = f"/api/conversations/{await begin(chat)}/messages"

    first = await chat.post(url, json={"text": "Hi"}, headers={"Idempotency-Key": "m-1"})
    again = await chat.post(url, json={"text": "Hi"}, headers={"Idempotency-Key": "m-1"})

    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await in_database(Message.objects.count) == 2


async def test_a_closed_conversation_takes_no_more_messages(chat, desk):
    conversation = await begin(chat)

    closed = await chat.post(f"/api/conversations/{conversation}/close")
    again = await chat.post(f"/api/conversations/{conversation}/close")

    assert (closed.json()["status"], again.status_code) == ("closed", 200)
    refused = await chat.post(f"/api/conversations/{conversation}/messages", json={"text": "Hi"}, headers=STREAM)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
