"""Tools that are called at once in one trace, as agents do: each counts what it took itself, and names who answered."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from magnet import gateway, prompt_runs, prompts, tracing
from magnet.database import close_raw_pool, forget_configuration, in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.models import AIModel, PromptTemplate
from tests import factories
from tests.agents.acting import ORDERS, action, call, make_agent, take
from tests.fake_openai import Scripted
from tools_app import rag, searching
from tools_app.models import RagTool, RetrievalTool

pytestmark = pytest.mark.django_db(transaction=True)

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 0}


@pytest.fixture(autouse=True)
async def leave_nothing_open():
    forget_configuration()
    yield
    forget_configuration()
    await gateway.close_all()
    await close_raw_pool()


@pytest.fixture
def models(fake_openai: Any, settings: Any, tmp_path: Any) -> None:
    """Two models that take their time: a dollar or a hundred for a thousand tokens."""
    settings.MEDIA_ROOT = tmp_path
    ensure_default_prompts()
    provider = factories.openai_provider(fake_openai.base_url)
    for slug, price in (("cheap", 1_000), ("dear", 100_000)):
        fields = {"purpose": "chat", "input_price": Decimal(price), "output_price": Decimal(0)}
        AIModel.objects.create(provider=provider, slug=slug, name=slug, model_name=slug, **fields)
    AIModel.objects.get(slug="cheap").make_default()
    fake_openai.latency_seconds = 0.3
    fake_openai.rule = lambda body: Scripted(text="At nine [1].", usage=USAGE)


def make_tools() -> None:
    source = factories.source("office")
    factories.push(source, opening="# Opening hours\n\nThe office in Riga opens at nine.")
    settings = {"sources": [source], "minimum_score": 0}
    RagTool.objects.create_live(slug="office", name="Office", settings=settings)
    RetrievalTool.objects.create_live(slug="hours", name="Hours", settings=settings)
    PromptTemplate.objects.create_live(
        slug="greet",
        name="Greet",
        settings={"prompt": "Greet.", "ai_model": AIModel.objects.get(slug="dear")},
    )


async def test_each_tool_counts_its_own_steps(models) -> None:
    await in_database(make_tools)
    office, hours, greet = await rag.load("office"), await searching.load("hours"), await prompts.load("greet")

    with tracing.trace(feature="agent"):
        first, second, greeted, found = await asyncio.gather(
            rag.answer(office, "When does the office open?"),
            rag.answer(office, "When does the office in Riga open?"),
            prompt_runs.run(greet, {}),
            searching.search(hours, "When does the office open?"),
        )
        later = await searching.search(hours, "When does the office open?")

    assert (first.cost, second.cost) == (Decimal(1), Decimal(1))
    assert (first.model, second.model) == ("cheap", "cheap")
    assert (greeted.model, greeted.cost) == ("dear", Decimal(100))
    assert (found.cost, later.cost) == (Decimal(0), Decimal(0))


async def test_agents_that_are_asked_at_once_do_not_pay_for_each_other(models, fake_openai) -> None:
    await in_database(make_agent, ORDERS, slug="clerk")
    await in_database(make_agent, {**ORDERS, "actions": [action("agent", "clerk", name="clerk")]})
    calls = [call("clerk", {"message": f"Question {number}"}, number) for number in (1, 2)]

    def reply(body: Any) -> Scripted:
        is_first = body.get("tools") and all(message["role"] != "tool" for message in body["messages"])
        return Scripted(tool_calls=tuple(calls), usage=USAGE) if is_first else Scripted(text="Sent.", usage=USAGE)

    fake_openai.rule = reply

    told = await take("Two things, please.")

    assert [data["cost"] for data in told.named("tool_result")] == ["1", "1"]
    assert (told.end["cost"], told.end["usage"]["input_tokens"]) == ("4", 4_000)
