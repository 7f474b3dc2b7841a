"""What can change something waits for a person, who sees the real call: answered once, by who may, and on record."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from conversations import endings
from conversations.models import Confirmation, Message
from magnet.database import in_database
from magnet.models import AuditEntry, Delivery, Webhook
from tests.agents.acting import call, calling
from tests.conversations.chatting import STREAM, begin, parsed, say
from tests.fake_openai import Scripted
from tests.fixtures_api import bearer

pytestmark = pytest.mark.django_db(transaction=True)


async def asked(chat, model, *, number=1):
    """A conversation whose agent wants to cancel order 17, and the confirmation."""
    model.script(calling(call("cancel", {"id": 17}, number)))
    conversation = await begin(chat)
    message = (await say(chat, conversation, "Cancel order 17.")).json()
    assert message["status"] == "awaiting_confirmation", message
    return conversation, message["confirmations"][0]


async def answer(chat, conversation, confirmation, **body):
    url = f"/api/conversations/{conversation}/confirmations/{confirmation['id']}"
    return await chat.post(url, json={"approve": True, **body})


async def test_the_real_call_is_shown_and_made_once_it_is_approved(chat, model, shop):
    conversation, confirmation = await asked(chat, model)
    assert confirmation["arguments"] == {"id": 17}
    assert "17" in confirmation["sentence"]
    assert not shop.asked("/cancel")

    model.script(Scripted(text="It is cancelled."))
    done = (await answer(chat, conversation, confirmation)).json()

    assert (done["status"], done["text"]) == ("done", "It is cancelled.")
    assert json.loads(shop.asked("/cancel")[0].body) == {"id": 17}
    assert done["confirmations"][0]["answered_by"] == "A key"
    entry = await in_database(AuditEntry.objects.get, verb="approved")
    assert entry.changes["conversation"] == conversation


async def test_the_turn_goes_on_in_a_stream(chat, model, shop):
    conversation, confirmation = await asked(chat, model)
    model.script(Scripted(text="It is cancelled."))
    url = f"/api/conversations/{conversation}/confirmations/{confirmation['id']}"

    events = parsed((await chat.post(url, json={"approve": True}, headers=STREAM)).text)

    assert [name for _, name, _ in events][-1] == "completed"
    every = parsed((await chat.get(f"/api/conversations/{conversation}/events")).text)
    assert [number for number, _, _ in every] == list(range(1, len(every) + 1))
    ends = [data["status"] for _, name, data in every if name == "completed"]
    assert ends == ["awaiting_confirmation", "done"]
    told = next(data for _, name, data in every if name == "confirmation")
    assert told["id"] == confirmation["id"]


async def test_a_refusal_and_its_comment_reach_the_agent(chat, model, shop):
    conversation, confirmation = await asked(chat, model)
    model.script(Scripted(text="Then I leave it."))

    done = (await answer(chat, conversation, confirmation, approve=False, comment="the wrong one")).json()

    assert (done["text"], done["confirmations"][0]["status"]) == ("Then I leave it.", "refused")
    assert "the wrong one" in str(model.requests[-1].body["messages"])
    assert not shop.asked("/cancel")


async def test_of_two_answers_one_wins(chat, model, shop):
    conversation, confirmation = await asked(chat, model)
    model.rule = lambda body: Scripted(text="It is cancelled.")

    answers = await asyncio.gather(*(answer(chat, conversation, confirmation) for _ in range(4)))

    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
    assert len(shop.asked("/cancel")) == 1
    late = next(each for each in answers if each.status_code == 409)
    assert late.json()["detail"].startswith("This was answered already: approved by A key")


async def test_somebody_else_cannot_answer_but_somebody_allowed_can(chat, model, shop, issue_key):
    conversation, confirmation = await asked(chat, model)
    stranger = bearer(await in_database(issue_key, "agents:run", name="Other"))
    guard = bearer(await in_database(issue_key, "conversations:write", name="Guard"))
    url = f"/api/conversations/{conversation}/confirmations/{confirmation['id']}"
    model.script(Scripted(text="It is cancelled."))

    assert (await chat.post(url, json={"approve": True}, headers=stranger)).status_code == 404
    done = await chat.post(url, json={"approve": True}, headers=guard)

    assert (done.status_code, done.json()["confirmations"][0]["answered_by"]) == (200, "Guard")


async def test_what_nobody_answers_in_time_expires(chat, model, shop):
    conversation, confirmation = await asked(chat, model)
    past = timezone.now() - timedelta(seconds=1)
    await in_database(Confirmation.objects.update, expires_at=past)

    late = await answer(chat, conversation, confirmation)

    assert (late.status_code, late.json()["code"]) == (409, "confirmation_expired")
    message = await in_database(Message.objects.get, role="assistant")
    assert (message.status, message.failure["code"]) == ("failed", "confirmation_expired")
    assert not shop.asked("/cancel")
    assert (await answer(chat, conversation, confirmation)).json()["code"] == "confirmation_expired"
    assert await in_database(endings.close_abandoned) == 0


async def test_while_it_waits_nothing_else_is_said(chat, model, shop):
    conversation, confirmation = await asked(chat, model)

    refused = (await say(chat, conversation, "Hello?")).json()
    assert (refused["code"], refused["confirmations"]) == ("turn_at_work", [confirmation["id"]])

    cancelled = (await chat.post(f"/api/conversations/{conversation}/cancel")).json()
    assert (cancelled["status"], cancelled["confirmations"][0]["status"]) == ("cancelled", "withdrawn")
    late = await answer(chat, conversation, confirmation)
    assert (late.status_code, "has ended" in late.json()["detail"]) == (409, True)
    model.script(Scripted(text="Hello."))
    assert (await say(chat, conversation, "Hello?")).json()["text"] == "Hello."


async def test_what_is_approved_for_the_conversation_is_not_asked_again(chat, model, shop):
    conversation, confirmation = await asked(chat, model)
    model.script(Scripted(text="It is cancelled."))
    await answer(chat, conversation, confirmation, for_conversation=True)

    model.script(calling(call("cancel", {"id": 18}, 1)), Scripted(text="That one, too."))
    second = (await say(chat, conversation, "And order 18.")).json()

    assert (second["status"], second["text"]) == ("done", "That one, too.")
    assert len(shop.asked("/cancel")) == 2


async def test_webhooks_hear_of_it(chat, model, shop):
    def listening():
        hook = Webhook(name="Pager", url="http://127.0.0.1:9/", events=["confirmation.needed", "message.completed"])
        hook.renew_secret()
        hook.save()

    await in_database(listening)
    conversation, confirmation = await asked(chat, model)
    model.script(Scripted(text="It is cancelled."))
    await answer(chat, conversation, confirmation)

    sent = await in_database(lambda: list(Delivery.objects.order_by("created_at").values_list("event", "payload")))
    assert [event for event, _ in sent] == ["confirmation.needed", "message.completed"]
    assert sent[0][1]["data"]["conversation_id"] == conversation
    assert "Cancel order 17" not in json.dumps(sent[0][1])
