"""Leaves no cache, no pool and no connection to the next test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from magnet import gateway
from magnet.database import close_raw_pool, forget_configuration
from tests.agents import acting
from tests.fake_openai import FakeOpenAI


@pytest.fixture(autouse=True)
async def leave_nothing_open() -> AsyncIterator[None]:
    forget_configuration()
    yield
    forget_configuration()
    await gateway.close_all()
    await close_raw_pool()


@pytest.fixture
def model(settings: Any, tmp_path: Any, fake_openai: FakeOpenAI) -> FakeOpenAI:
    """A model that does as it is scripted."""
    settings.MEDIA_ROOT = tmp_path
    acting.make_model(fake_openai)
    return fake_openai


@pytest.fixture
def office(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    acting.make_office()


@pytest.fixture
def shop(fake_api: Any) -> Any:
    acting.make_shop(fake_api)
    return fake_api
