"""Which topic a message belongs to: asked of a model, or told by likeness without one; and answers without a model."""

from __future__ import annotations

import json

import pytest

from agents import loading
from agents.turn import Said
from magnet.database import in_database
from magnet.errors import NotConfigured, NotFound, ToolError
from magnet.provisioning import ensure_providers
from tests.agents.acting import ASK, FIND, HOURS, ORDERS, action, is_routing, make_agent, routed, take
from tests.fake_openai import Scripted
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)


async def test_with_one_topic_nobody_is_asked_which(model) -> None:
    await in_database(make_agent, ORDERS)
    model.script(Scripted(text="Hello."))

    await take("Hi")

    assert len(model.requests) == 1


async def test_one_small_call_chooses_the_topic_and_a_later_turn_may_change_it(model, shop, office) -> None:
    await in_database(make_agent, {**ORDERS, "actions": [FIND]}, {**HOURS, "actions": [ASK]})
    model.script(routed(topic="hours"), Scripted(text="At nine."))
    history = tuple(Said("user", "word " * 2_000) for _ in range(40))

    told = await take("When do you open?", topic="orders", history=history)

    assert told.named("topic") == [{"key": "hours", "name": "Opening hours", "kind": "topic", "confidence": 0.9}]
    assert told.end["topic"] == "hours"
    asked, answered = model.requests
    assert is_routing(asked.body)
    assert asked.body["response_format"]["type"] == "json_schema"
    assert len(json.dumps(asked.body)) < 12_000, "Never the whole history."
    assert [tool["function"]["name"] for tool in answered.body["tools"]] == ["ask"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [("greeting", "Hello!"), ("farewell", "Goodbye"), ("unclear", "not sure"), ("off_topic", "cannot help")],
)
async def test_what_is_no_topic_is_answered_with_the_agents_sentence(model, kind, said) -> None:
    await in_database(make_agent, ORDERS, HOURS)
    model.script(routed(kind))

    told = await take("…", topic="orders")

    assert said in told.end["text"]
    assert told.end["topic"] == "orders", "A greeting in between does not end a topic."
    assert len(model.requests) == 1


async def test_an_empty_sentence_leaves_the_answer_to_the_model(model) -> None:
    await in_database(make_agent, ORDERS, HOURS, greeting_text="")
    model.script(routed("greeting"), Scripted(text="Ahoy!"))

    assert (await take("Ahoy")).end["text"] == "Ahoy!"
    assert "tools" not in model.requests[-1].body


async def test_a_topic_that_is_not_there_is_no_topic(model) -> None:
    await in_database(make_agent, ORDERS, HOURS)
    model.script(routed(topic="weather"))

    assert (await take("Rain?")).named("topic")[0]["kind"] == "unclear"


async def test_where_the_choice_cannot_be_read_likeness_decides(model) -> None:
    await in_database(make_agent, ORDERS, HOURS)
    model.script(Scripted(text="Hm."), Scripted(text="Hm!"), Scripted(text="It was sent."))

    told = await take("Where is my order?")

    assert told.named("topic")[0]["key"] == "orders"


# -- Without a language model ----------------------------------------------------------------------------------------


@pytest.fixture
def offline(office, shop):
    ensure_providers()
    return make_agent({**ORDERS, "actions": [FIND]}, {**HOURS, "actions": [ASK]})


async def test_without_a_language_model_the_topic_is_the_likest_and_documents_are_quoted(offline) -> None:
    told = await take("When does the office in Oslo open?")

    assert told.named("started")[0]["is_extractive"]
    assert told.end["is_extractive"]
    assert told.end["topic"] == "hours"
    assert told.names == ["started", "topic", "tool_call", "passages", "text", "tool_result", "completed"]
    assert "opens at ten" in told.end["text"]
    assert any(passage["is_cited"] for passage in told.end["passages"])


async def test_passages_of_a_retrieval_tool_are_quoted_too(office) -> None:
    await in_database(ensure_providers)
    await in_database(make_agent, {**HOURS, "actions": [action("retrieval", "hours", name="search")]})

    told = await take("When does the office in Riga open?")

    assert "opens at nine" in told.end["text"]
    assert "[1]" in told.end["text"]


async def test_greetings_are_told_apart_and_a_follow_up_stays_with_its_topic(offline) -> None:
    assert (await take("Hello there")).named("topic")[0]["kind"] == "greeting"
    assert (await take("Thanks a lot!")).named("topic")[0]["kind"] == "farewell"
    assert (await take("zxqv 123?", topic="hours")).named("topic")[0]["key"] == "hours"


async def test_a_topic_that_only_a_language_model_could_serve_says_so(offline) -> None:
    with pytest.raises(NotConfigured, match="No language model is configured"):
        await take("Please cancel my order")


async def test_a_tool_that_was_deleted_ends_the_turn_in_words(offline) -> None:
    await in_database(lambda: RagTool.objects.all().delete())

    with pytest.raises(ToolError, match="no RAG tool “office”"):
        await take("When does the office in Oslo open?")


async def test_an_agent_that_is_not_there_or_has_no_such_version_is_not_found(offline) -> None:
    with pytest.raises(NotFound, match="no agent “nobody”"):
        await loading.load("nobody")
    with pytest.raises(NotFound, match="no version 9"):
        await loading.load("support", version=9)
