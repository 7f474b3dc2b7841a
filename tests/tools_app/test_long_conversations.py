"""Conversations longer than a model can read: the oldest turns are left out, and the question is still answered."""

from __future__ import annotations

from typing import Any

import pytest

from magnet import gateway
from magnet.database import close_raw_pool, forget_configuration
from magnet.models import AIModel
from magnet.providers.base import ChatMessage
from tests import factories
from tests.tools_app.explaining import QUESTION, office, tool_of
from tools_app import rag
from tools_app.prompting import Given

pytestmark = pytest.mark.django_db(transaction=True)

READS = 8_000


@pytest.fixture(autouse=True)
async def leave_nothing_open():
    forget_configuration()
    yield
    forget_configuration()
    await gateway.close_all()
    await close_raw_pool()


@pytest.fixture
def model(fake_openai: Any, settings: Any, tmp_path: Any) -> Any:
    settings.MEDIA_ROOT = tmp_path
    tool_of(office())
    provider = factories.openai_provider(fake_openai.base_url)
    fields = {"name": "Small", "model_name": "s", "purpose": "chat", "context_tokens": READS}
    AIModel.objects.create(provider=provider, slug="small", **fields).make_default()
    return fake_openai


def turns(count: int, *, characters: int) -> tuple[ChatMessage, ...]:
    return tuple(
        ChatMessage("user" if number % 2 == 0 else "assistant", f"Turn {number}. ".ljust(characters, "x"))
        for number in range(count)
    )


async def sent(model: Any, history: tuple[ChatMessage, ...]) -> list[str]:
    answer = await rag.answer(await rag.load("office"), QUESTION, given=Given(history=history))
    assert answer.found
    said = [message["content"] for message in model.requests[-1].body["messages"] if message["role"] != "system"]
    return said[:-1]


async def test_the_oldest_turns_are_left_out_and_the_newest_stay(model) -> None:
    history = turns(100, characters=1_500)

    said = await sent(model, history)

    assert said == [turn.text for turn in history[-len(said) :]]
    assert said[0].startswith("Turn 96. ")
    assert sum(map(len, said)) <= READS


async def test_a_conversation_that_fits_is_not_touched(model) -> None:
    history = (ChatMessage("assistant", "Hello!"), *turns(3, characters=100))
    assert await sent(model, history) == [turn.text for turn in history]


async def test_a_single_turn_that_is_too_long_is_left_out(model) -> None:
    assert await sent(model, turns(1, characters=20_000)) == []
