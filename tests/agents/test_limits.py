"""Limits end a turn with what is known, a sentence and a reason, never with an error."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import psycopg
import pytest

from magnet.database import _conninfo, in_database
from tests.agents.acting import FIND, ORDERS, call, calling, make_agent, make_model, take
from tests.fake_openai import Scripted

pytestmark = pytest.mark.django_db(transaction=True)


async def agent_with(**limits):
    await in_database(make_agent, {**ORDERS, "actions": [FIND]}, limit_text="Enough for today.", **limits)


async def test_tokens(model, shop) -> None:
    await agent_with(max_tokens=100)
    model.script(calling(call("find", {"id": 1}), text="Let me see."))

    told = await take("Where?")

    assert told.end["stopped_by"] == "tokens"
    assert told.end["text"] == told.streamed == "Let me see.\n\nEnough for today."
    assert len(told.end["steps"]) == 1
    assert len(model.requests) == 1


async def test_money(fake_openai, shop, settings, tmp_path) -> None:
    await in_database(make_model, fake_openai, input_price=Decimal(1000), output_price=Decimal(1000))
    await agent_with(max_cost=Decimal("0.000100"))
    fake_openai.script(calling(call("find", {"id": 1})))

    told = await take("Where?")

    assert told.end["stopped_by"] == "cost"
    assert Decimal(told.end["cost"]) > 0
    assert told.end["text"] == "Enough for today."


async def test_time(model, shop) -> None:
    await agent_with(max_seconds=5)
    model.script(Scripted(text="word " * 400, delta_seconds=0.1))

    told = await take("Where?")

    assert told.end["stopped_by"] == "seconds"
    assert told.end["text"].startswith("word word")
    assert told.end["text"].endswith("Enough for today.")


async def test_no_connection_to_the_database_is_held_while_the_model_thinks(model, shop) -> None:
    await agent_with()
    model.latency_seconds = 1.0
    with psycopg.connect(_conninfo(), autocommit=True) as watcher:
        before = others(watcher)
        turns = [asyncio.create_task(take("Where?")) for _ in range(20)]
        assert await asyncio.to_thread(model.wait_until, lambda fake: fake.active == 20, seconds=60)

        assert others(watcher) <= before
        assert all(told.end["status"] == "done" for told in await asyncio.gather(*turns))


def others(watcher: psycopg.Connection) -> int:
    """Connections to this database beside the one that counts them."""
    counted = watcher.execute(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    ).fetchone()
    assert counted
    return int(counted[0])
