"""An agent with a model that does as it is scripted, and a shop in which it can do something."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from conversations import turn_runs
from tests.agents import acting
from tests.fake_openai import FakeOpenAI


@pytest.fixture
def model(settings: Any, tmp_path: Any, fake_openai: FakeOpenAI, transactional_db: None) -> FakeOpenAI:
    settings.MEDIA_ROOT = tmp_path
    acting.make_model(fake_openai)
    return fake_openai


@pytest.fixture
def desk(model: FakeOpenAI) -> FakeOpenAI:
    """An agent of one topic, without tools; what its model says is scripted."""
    acting.make_agent({"key": "parcels", "name": "Parcels"}, slug="desk")
    return model


@pytest.fixture
def shop(model: FakeOpenAI, fake_api: Any) -> Any:
    """An agent that may find and cancel orders, and what it would call."""
    acting.make_shop(fake_api)
    acting.make_agent({**acting.ORDERS, "actions": [acting.FIND, acting.CANCEL]}, slug="desk")
    return fake_api


@pytest.fixture
async def chat(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API in this process, whose turns end with the test."""
    yield api
    await turn_runs.drain(seconds=0)
