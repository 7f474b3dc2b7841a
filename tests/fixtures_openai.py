"""The fixture of the fake OpenAI server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fake_openai import FakeOpenAI


@pytest.fixture
def fake_openai(settings: Any) -> Iterator[FakeOpenAI]:
    """A fresh fake server for one test, on a loopback address that the operator allows."""
    settings.ALLOWED_PRIVATE_HOSTS = [*settings.ALLOWED_PRIVATE_HOSTS, "127.0.0.1"]
    fake = FakeOpenAI().start()
    yield fake
    fake.stop()
