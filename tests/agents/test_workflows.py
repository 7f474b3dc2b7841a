"""A LlamaIndex workflow of a plug-in as an action: its words are streamed, its result is used, its failure is told."""

import asyncio
from typing import Any

import pytest

from agents.workflows import WORKFLOWS, Workflow
from magnet.database import in_database
from tests.agents.acting import ORDERS, action, call, calling, make_agent, take
from tests.fake_openai import Scripted

pytestmark = pytest.mark.django_db(transaction=True)


class Counting(Workflow):
    label = "Counts"
    description = "Counts to a number."
    arguments = {"type": "object", "properties": {"to": {"type": "integer"}}, "required": ["to"]}
    is_read_only = True

    def build(self) -> Any:
        from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, step
        from llama_index.core.workflow import Workflow as LlamaWorkflow

        class Said(Event):
            delta: str

        class Counter(LlamaWorkflow):
            @step
            async def count(self, context: Context, start: StartEvent) -> StopEvent:
                if start.to < 0:
                    raise ValueError("I only count upwards.")
                for number in range(1, start.to + 1):
                    context.write_event_to_stream(Said(delta=f"{number} "))
                    await asyncio.sleep(0)
                return StopEvent(result=f"I counted to {start.to}.")

        return Counter(timeout=20)


@pytest.fixture
def counting():
    WORKFLOWS["counting"] = Counting
    yield
    del WORKFLOWS["counting"]


async def test_its_result_goes_to_the_model(model, counting) -> None:
    await in_database(make_agent, {**ORDERS, "actions": [action("workflow", "counting", name="count")]})
    model.script(calling(call("count", {"to": 3})), Scripted(text="Three it is."))

    told = await take("Count to three.")

    assert told.named("tool_result")[0]["text"] == "I counted to 3."
    assert told.end["text"] == "Three it is."


async def test_its_words_are_the_answer_where_that_is_wanted(model, counting) -> None:
    direct = action("workflow", "counting", name="count", answers_directly=True)
    await in_database(make_agent, {**ORDERS, "actions": [direct]})
    model.script(calling(call("count", {"to": 3})))

    assert (await take("Count to three.")).end["text"].strip() == "1 2 3"


async def test_its_failure_is_told_to_the_model(model, counting) -> None:
    await in_database(make_agent, {**ORDERS, "actions": [action("workflow", "counting", name="count")]})
    model.script(calling(call("count", {"to": -1})), Scripted(text="It cannot."))

    told = await take("Count down.")

    assert "I only count upwards" in told.named("tool_result")[0]["text"]
    assert told.end["text"] == "It cannot."
