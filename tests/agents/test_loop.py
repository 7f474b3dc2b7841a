"""A turn with an agent: the model is asked, calls what it needs, and answers with what it found."""

from __future__ import annotations

import json

import pytest

from agents.turn import Said, Step
from magnet import tracing
from magnet.database import forget_configuration, in_database
from magnet.errors import InvalidInput
from magnet.models import AIModel, Span, Trace
from tests.agents.acting import (
    ASK,
    FIND,
    HOURS,
    ORDERS,
    action,
    call,
    calling,
    make_agent,
    take,
)  # fmt: skip
from tests.fake_openai import Scripted

pytestmark = pytest.mark.django_db(transaction=True)


async def test_what_the_model_calls_is_called_and_it_answers_from_the_results(model, shop) -> None:
    await in_database(make_agent, {**ORDERS, "instructions": "Be kind.", "actions": [FIND]})
    model.script(calling(call("find", {"id": 17})), Scripted(text="Your order was sent."))

    told = await take("Where is order 17?")

    assert told.names == ["started", "topic", "tool_call", "tool_result", "text", "completed"]
    assert told.named("tool_call")[0]["arguments"] == {"id": 17}
    assert told.named("tool_call")[0]["label"] == "Find orders"
    assert "sent" in told.named("tool_result")[0]["text"]
    assert told.end["text"] == told.streamed == "Your order was sent."
    assert (told.end["status"], told.end["stopped_by"], told.end["topic"]) == ("done", "", "orders")
    first, second = (request.body["messages"] for request in model.requests)
    assert "Be kind." in first[0]["content"]
    assert [message["role"] for message in second] == ["system", "user", "assistant", "tool"]
    assert second[-1]["content"].startswith("<result>\n")
    assert shop.asked("/orders")


async def test_text_and_calls_of_one_reply_are_both_kept(model, shop) -> None:
    await in_database(make_agent, {**ORDERS, "actions": [FIND]})
    model.script(calling(call("find", {"id": 17}), text="Let me look."), Scripted(text="It was sent."))

    told = await take("Where is order 17?")

    assert told.names == ["started", "topic", "text", "tool_call", "tool_result", "text", "completed"]
    assert told.end["text"] == "Let me look.\n\nIt was sent."
    asked = model.requests[-1].body["messages"][2]
    assert (asked["content"], asked["tool_calls"][0]["id"]) == ("Let me look.", "call_1")


async def test_calls_of_one_reply_run_side_by_side_and_are_answered_in_their_order(model, shop) -> None:
    await in_database(make_agent, {**ORDERS, "actions": [FIND]})
    model.script(calling(*(call("find", {"id": n}, n) for n in (1, 2, 3))), Scripted(text="All sent."))

    told = await take("Where are my orders?")

    results = [message for message in model.requests[-1].body["messages"] if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in results] == ["call_1", "call_2", "call_3"]
    assert [step["arguments"]["id"] for step in told.end["steps"]] == [1, 2, 3]


async def test_fixed_arguments_are_not_the_models_and_defaults_fill_what_it_leaves_out(model, shop) -> None:
    find = {**FIND, "fixed_arguments": {"customer": "{customer}"}, "default_arguments": {"id": 5}}
    variables = [{"name": "customer"}]
    await in_database(make_agent, {**ORDERS, "actions": [find]}, variables=variables)
    model.script(calling(call("find", {"customer": "somebody else"})), Scripted(text="Sent."))

    told = await take("Where is it?", variables={"customer": "C-1"})

    offered = model.requests[0].body["tools"][0]["function"]["parameters"]
    assert list(offered["properties"]) == ["id"]
    assert "required" not in offered
    assert told.named("tool_call")[0]["arguments"] == {"id": 5, "customer": "C-1"}


async def test_passages_of_several_calls_are_numbered_on_and_invented_citations_are_taken_out(model, office) -> None:
    await in_database(make_agent, {**HOURS, "actions": [action("retrieval", "hours", name="search")]})
    two = calling(call("search", {"query": "Riga"}, 1), call("search", {"query": "Riga and Oslo"}, 2))
    model.script(two, Scripted(text="Nine in Riga [1], ten in Oslo [2], and never in Rome [7]."))

    told = await take("When do you open?")

    assert told.end["text"] == "Nine in Riga [1], ten in Oslo [2], and never in Rome."
    assert [passage["number"] for passage in told.end["passages"]] == [1, 2], "The same passage keeps its number."
    assert all(passage["is_cited"] for passage in told.end["passages"])


async def test_an_answer_of_a_rag_tool_can_be_the_answer_and_is_streamed_through(model, office) -> None:
    await in_database(make_agent, {**HOURS, "actions": [{**ASK, "answers_directly": True}]})
    asked = {"question": "When does the office in Riga open?"}
    model.script(calling(call("ask", asked)), Scripted(text="It opens at nine [1]."))

    told = await take("When?")

    assert told.names[:5] == ["started", "topic", "tool_call", "passages", "text"]
    assert told.end["text"] == told.streamed == "It opens at nine [1]."
    assert [passage["number"] for passage in told.end["passages"] if passage["is_cited"]] == [1]
    assert len(model.requests) == 2, "Nobody is asked to say it again."


async def test_one_trace_tells_the_whole_turn(model, office) -> None:
    await in_database(make_agent, {**HOURS, "actions": [ASK]})
    model.script(calling(call("ask", {"question": "When?"})), Scripted(text="Nine [1]."), Scripted(text="At nine [1]."))

    told = await take("When do you open?")

    def traced():
        tracing.flush()
        trace = Trace.objects.exclude(feature="sync").get()
        spans = Span.objects.filter(trace=trace).values_list("name", flat=True)
        return trace, list(spans), set(trace.versions)

    trace, spans, versions = await in_database(traced)
    assert (trace.feature, trace.slug, str(trace.id)) == ("agent", "support", told.end["trace_id"])
    assert {"step 1", "call ask", "step 2", "rag_tool office"} <= set(spans)
    assert {"agent", "rag_tool"} <= versions
    assert trace.input_tokens == told.end["usage"]["input_tokens"] > 0


async def test_an_agent_can_call_another_agent(model, office) -> None:
    await in_database(make_agent, {**HOURS, "actions": [ASK]}, slug="clerk")
    await in_database(make_agent, {**ORDERS, "actions": [action("agent", "clerk", name="clerk")]})
    model.script(
        calling(call("clerk", {"message": "When does Riga open?"})),
        calling(call("ask", {"question": "When does Riga open?"})),
        Scripted(text="At nine [1]."),
        Scripted(text="The clerk says nine [1]."),
        Scripted(text="We open at nine [1]."),
    )

    told = await take("When?")

    assert told.end["text"] == "We open at nine [1]."
    assert told.end["passages"][0]["is_cited"]
    assert [data["call_id"] for data in told.named("tool_call")] == ["call_1", "call_1/call_1"]


async def test_what_was_said_and_done_before_is_remembered_within_limits(model, shop) -> None:
    await in_database(make_agent, {**ORDERS, "actions": [FIND]}, memory_messages=2)
    done = Step("old_1", "find", "find", {"id": 17}, "order 17 was sent")
    history = (
        Said("user", "Hello"),
        Said("assistant", "Hi"),
        Said("user", "Order 17?"),
        Said("assistant", "Sent.", (done,)),
    )
    model.script(Scripted(text="Yesterday."))

    await take("When?", history=history)

    said = model.requests[0].body["messages"][1:]
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "assistant", "user"]
    assert said[0]["content"] == "Order 17?"
    assert "order 17 was sent" in said[2]["content"]


async def test_a_long_conversation_is_summed_up_and_the_turn_says_so(model) -> None:
    await in_database(make_agent, ORDERS, memory="summary", memory_messages=2)
    history = tuple(Said("user" if n % 2 == 0 else "assistant", f"Message {n}") for n in range(6))
    model.script(Scripted(text="They spoke of numbers."), Scripted(text="Indeed."))

    told = await take("And?", history=history)

    assert (told.end["summary"], told.end["summarised"]) == ("They spoke of numbers.", 4)
    asked = model.requests[-1].body["messages"]
    assert "They spoke of numbers." in asked[0]["content"]
    assert [message["content"] for message in asked[1:]] == ["Message 4", "Message 5", "And?"]


async def test_images_go_to_models_that_see_and_are_refused_for_others(model) -> None:
    await in_database(make_agent, ORDERS)

    with pytest.raises(InvalidInput, match="sees no images"):
        await take("What is this?", images=("data:image/png;base64,AAAA",))

    await in_database(lambda: AIModel.objects.filter(slug="gpt-fake").update(can_see=True))
    model.script(Scripted(text="A dot."))
    forget_configuration()
    told = await take("What is this?", images=("data:image/png;base64,AAAA",))
    assert told.end["text"] == "A dot."
    assert "image_url" in json.dumps(model.requests[-1].body["messages"][-1])
