"""Conversations are closed, looked at, handed out, kept as long as they should be, and erased with a proof."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Agent
from conversations import closing, erasing, jobs, titles
from conversations.models import AgentRetention, Conversation, ConversationAnalysis, Erasure, Message
from knowledge import ledger
from knowledge.models import Document
from magnet import tracing
from magnet.database import in_database
from magnet.models import Delivery, Trace, Webhook
from tests.agents import acting
from tests.conversations.chatting import begin, parsed, say
from tests.conversations.talking import a_conversation, a_turn
from tests.fake_openai import Scripted

pytestmark = pytest.mark.django_db(transaction=True)

FOUND = {"summary": "Wanted a parcel.", "category": "Parcels", "language": "en", "sentiment": "positive"}
LONG_AGO = timedelta(days=400)


def overdue(**fields):
    return a_conversation(closes_at=timezone.now() - timedelta(minutes=1), **fields)


def test_what_nobody_writes_in_any_more_is_closed_once(transactional_db):
    hook = Webhook(name="Pager", url="http://127.0.0.1:9/", events=["conversation.closed"])
    hook.renew_secret()
    hook.save()
    due, later = overdue(), a_conversation(closes_at=timezone.now() + timedelta(hours=1))
    busy = a_turn(overdue())

    assert closing.close_due() == 1
    assert closing.close_due() == 0

    states = dict(Conversation.objects.values_list("pk", "status"))
    assert (states[due.pk], states[later.pk], states[busy.conversation_id]) == ("closed", "open", "open")
    assert Delivery.objects.get().payload["data"]["conversation_id"] == str(due.pk)


@pytest.fixture
def analysing(model):
    settings = {"analyses_conversations": True, "categories": ["Parcels", "Other"]}
    acting.make_agent({"key": "parcels", "name": "Parcels"}, slug="desk", **settings)
    return model


async def closed(chat, model, *replies):
    model.script(Scripted(text="It is on its way."))
    conversation = await begin(chat, user={"person": "ann@example.com"})
    await say(chat, conversation, "Where is my parcel?")
    model.script(*replies)
    await chat.post(f"/api/conversations/{conversation}/close")
    return conversation


async def test_a_closed_conversation_is_looked_at_and_can_be_corrected(chat, analysing):
    said = Scripted(text=json.dumps({**FOUND, "resolution": "resolved"}))
    conversation = await closed(chat, analysing, said)

    assert await in_database(jobs.analyse, conversation)
    assert not await in_database(jobs.analyse, conversation)

    found = (await chat.get(f"/api/conversations/{conversation}")).json()["analysis"]
    assert (found["category"], found["sentiment"], found["resolution"]) == ("Parcels", "positive", "resolved")
    url = f"/api/conversations/{conversation}/analysis"
    corrected = (await chat.patch(url, json={"resolution": "unresolved"})).json()
    assert (corrected["resolution"], corrected["category"], corrected["edited_by"]) == (
        "unresolved", "Parcels", "A key",
    )  # fmt: skip
    listed = await chat.get("/api/conversations", params={"resolution": "unresolved", "category": "Parcels"})
    assert listed.json()["count"] == 1
    assert (await chat.patch(url, json={"resolution": "perhaps"})).status_code == 422


async def test_what_does_not_fit_the_schema_is_not_believed(chat, analysing):
    conversation = await closed(chat, analysing, Scripted(text='{"summary": 3}'), Scripted(text="no"))

    assert await in_database(jobs.analyse, conversation)

    row = await in_database(ConversationAnalysis.objects.get)
    assert (row.state, row.category, row.language) == ("failed", "", "en")
    assert row.failure


async def test_a_model_finds_a_better_title_than_the_first_question(chat, desk):
    desk.script(Scripted(text="It is on its way."), Scripted(text="“Late parcel”\n"))
    conversation = await begin(chat)
    await say(chat, conversation, f"Hello, I would like to know where my parcel is, {'please, ' * 10} today.")
    shown = (await chat.get(f"/api/conversations/{conversation}")).json()
    assert shown["title"].endswith("…")
    assert len(shown["title"]) <= titles.LONGEST

    assert await in_database(jobs.name_conversation, conversation)
    assert not await in_database(jobs.name_conversation, conversation)

    assert (await chat.get(f"/api/conversations/{conversation}")).json()["title"] == "Late parcel"


async def test_people_search_rename_and_hand_out_what_was_said(chat, desk):
    desk.script(Scripted(text="=1+1 is a formula"))
    conversation = await begin(chat)
    await say(chat, conversation, "What about Riga?")

    assert (await chat.get("/api/conversations", params={"search": "riga"})).json()["count"] == 1
    assert (await chat.get("/api/conversations", params={"search": "oslo"})).json()["count"] == 0
    renamed = await chat.patch(f"/api/conversations/{conversation}", json={"title": "Riga", "revision": 99})
    assert renamed.status_code == 409
    renamed = await chat.patch(f"/api/conversations/{conversation}", json={"title": "Riga"})
    assert renamed.json()["title"] == "Riga"

    whole = (await chat.get("/api/conversations/export")).json()["conversations"]
    assert [message["text"] for message in whole[0]["messages"]] == ["What about Riga?", "=1+1 is a formula"]
    table = await chat.get(f"/api/conversations/{conversation}/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["text"] for row in rows] == ["What about Riga?", "'=1+1 is a formula"]


async def test_a_persons_data_goes_with_a_proof(chat, desk):
    desk.rule = lambda body: Scripted(text="It is on its way.")
    gone = await begin(chat, user={"person": "Ann@example.com"})
    kept = await begin(chat, user={"person": "bob@example.com"})
    for conversation in (gone, kept):
        await say(chat, conversation, "Where is my parcel?")
    await in_database(tracing.flush)

    proof = await chat.post("/api/erasures", json={"user": "ann@example.com"})

    assert proof.status_code == 201
    counts = proof.json()["counts"]
    assert (counts["conversations"], counts["messages"], proof.json()["held"]) == (1, 2, 0)
    assert proof.json()["fingerprint"] == erasing.fingerprint("ANN@example.com")
    assert "ann" not in json.dumps(proof.json()).lower()
    assert (await chat.get(f"/api/conversations/{gone}")).status_code == 404
    assert (await chat.get(f"/api/conversations/{kept}")).status_code == 200
    people = await in_database(lambda: set(Trace.objects.values_list("person", flat=True)))
    assert people == {"bob@example.com"}
    shown = await chat.get(f"/api/erasures/{proof.json()['id']}")
    assert shown.json() == proof.json()


def test_a_legal_hold_keeps_a_conversation_from_everything(transactional_db):
    held = a_conversation(person="ann@example.com", is_held=True, last_message_at=timezone.now() - LONG_AGO)

    assert erasing.erase("ann@example.com").held == 1
    assert erasing.forget_old() == 0

    assert Conversation.objects.filter(pk=held.pk).exists()
    assert Erasure.objects.count() == 1


def test_each_agent_has_its_own_time(transactional_db, settings):
    settings.CONVERSATION_DAYS = 100
    short = a_conversation(last_message_at=timezone.now() - timedelta(days=20))
    AgentRetention.objects.create(agent=Agent.objects.get(slug="desk"), days=10)
    other = Agent.objects.create(name="Other", slug="other")
    stays = a_conversation(last_message_at=timezone.now() - timedelta(days=20))
    Conversation.objects.filter(pk=stays.pk).update(agent=other, agent_slug="other")

    assert jobs.sweep()["forgotten"] == 1

    assert not Conversation.objects.filter(pk=short.pk).exists()
    assert Conversation.objects.filter(pk=stays.pk).exists()


async def test_a_deleted_document_leaves_passages_and_events(chat, model):
    await in_database(acting.make_office)
    topic = {**acting.HOURS, "actions": [acting.ASK]}
    await in_database(acting.make_agent, topic, slug="desk")
    question = acting.call("ask", {"question": "When does the office in Riga open?"})
    model.script(acting.calling(question), Scripted(text="At nine [1]."), Scripted(text="At nine [1]."))
    conversation = await begin(chat)
    answer = (await say(chat, conversation, "When does the office in Riga open?")).json()
    assert "opens at nine" in json.dumps(answer["passages"])

    await in_database(lambda: ledger.delete_documents(list(Document.objects.values_list("pk", flat=True))))

    message = (await chat.get(f"/api/conversations/{conversation}")).json()["messages"][1]
    assert (message["is_blanked"], message["text"]) == (True, answer["text"])
    assert "opens at nine" not in json.dumps(message["passages"]) + json.dumps(message["steps"])
    events = parsed((await chat.get(f"/api/conversations/{conversation}/events")).text)
    assert "opens at nine" not in json.dumps(events)
    assert await in_database(Message.objects.filter(is_blanked=True).count) == 1
