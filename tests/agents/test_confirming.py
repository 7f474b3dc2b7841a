"""What can change something waits for a person: shown as it will be sent, approved or refused, once or for good."""

from __future__ import annotations

import json

import pytest

from agents.turn import ConfirmationAnswer, Paused
from magnet.database import forget_configuration, in_database
from magnet.errors import InvalidInput
from tests.agents.acting import CANCEL, FIND, ORDERS, action, call, calling, make_agent, take
from tests.fake_openai import Scripted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(model, shop):
    made = make_agent({**ORDERS, "actions": [FIND, {**CANCEL, "fixed_arguments": {"customer": "C-1"}}]})
    model.script(calling(call("find", {"id": 17}, 1), call("cancel", {"id": 17}, 2)))
    return made


async def paused_turn(text: str = "Cancel order 17."):
    told = await take(text)
    assert told.end["status"] == "awaiting_confirmation"
    # As it comes out of a table.
    return told, Paused.from_json(json.loads(json.dumps(told.end["paused"])))


async def test_the_turn_pauses_with_the_real_call_and_goes_on_in_another_process(agent, model, shop) -> None:
    told, paused = await paused_turn()

    assert told.names == ["started", "topic", "tool_call", "tool_result", "confirmation", "completed"]
    asked = told.named("confirmation")[0]
    assert asked["arguments"] == {"id": 17, "customer": "C-1"}
    assert asked["sentence"] == "“Cancel order” will be called with id: 17; customer: C-1."
    assert not shop.asked("/cancel")

    model.script(Scripted(text="It is cancelled."))
    after = await take("Cancel order 17.", paused=paused, answers=(ConfirmationAnswer("call_2", True),))

    assert after.names == ["started", "tool_call", "tool_result", "text", "completed"]
    assert (after.end["status"], after.end["text"]) == ("done", "It is cancelled.")
    assert json.loads(shop.asked("/cancel")[0].body) == {"id": 17, "customer": "C-1"}
    assert len(shop.asked("/orders")) == 1, "What was done before the pause is not done again."
    results = [message["tool_call_id"] for message in model.requests[-1].body["messages"] if message["role"] == "tool"]
    assert results == ["call_1", "call_2"]


async def test_a_refusal_and_its_comment_go_back_to_the_model(agent, model, shop) -> None:
    _, paused = await paused_turn()
    model.script(Scripted(text="Then I leave it."))

    told = await take("Cancel 17.", paused=paused, answers=(ConfirmationAnswer("call_2", False, "wrong one"),))

    assert not shop.asked("/cancel")
    assert "wrong one" in model.requests[-1].body["messages"][-1]["content"]
    assert told.end["text"] == "Then I leave it."


async def test_as_long_as_a_call_is_not_answered_it_waits(agent, model, shop) -> None:
    _, paused = await paused_turn()

    told = await take("Cancel 17.", paused=paused, answers=())

    assert told.end["status"] == "awaiting_confirmation"
    assert [data["call_id"] for data in told.named("confirmation")] == ["call_2"]
    assert not shop.asked("/cancel")


async def test_what_is_approved_for_the_conversation_is_not_asked_again(agent, model, shop) -> None:
    model.script(Scripted(text="It is cancelled."))

    told = await take("Cancel order 17.", approved=frozenset({"cancel"}))

    assert told.end["status"] == "done"
    assert len(shop.asked("/cancel")) == 1


async def test_an_action_that_distrusts_what_tools_say_asks_although_it_is_approved(model, shop) -> None:
    cancel = {**CANCEL, "needs_confirmation": False, "confirms_untrusted": True}
    await in_database(make_agent, {**ORDERS, "actions": [FIND, cancel]})
    model.script(calling(call("cancel", {"id": 1})), calling(call("cancel", {"id": 2}, 2)))

    told = await take("Cancel order 1.", approved=frozenset({"cancel"}))

    assert len(shop.asked("/cancel")) == 1, "The first call was made of the person's words alone."
    assert told.named("confirmation")[0]["arguments"] == {"id": 2}
    assert not told.named("confirmation")[0]["may_approve_all"]


async def test_a_turn_is_not_taken_up_by_another_version(agent, model) -> None:
    _, paused = await paused_turn()

    def publish() -> None:
        agent.edit({"max_steps": 3})
        agent.publish()

    await in_database(publish)
    forget_configuration()
    with pytest.raises(InvalidInput, match="another version"):
        await take("Cancel 17.", paused=paused, answers=(ConfirmationAnswer("call_2", True),))


async def test_an_agent_within_an_agent_cannot_ask_a_person_and_does_not_do_it(model, shop) -> None:
    await in_database(make_agent, {**ORDERS, "actions": [CANCEL]}, slug="clerk")
    await in_database(make_agent, {**ORDERS, "actions": [action("agent", "clerk", name="clerk")]})
    model.script(
        calling(call("clerk", {"message": "Cancel 1"})),
        calling(call("cancel", {"id": 1})),
        Scripted(text="I could not."),
        Scripted(text="It did not work."),
    )

    told = await take("Cancel 1")

    assert told.end["status"] == "done"
    assert not shop.asked("/cancel")
    assert "nobody can be asked" in model.requests[2].body["messages"][-1]["content"]
