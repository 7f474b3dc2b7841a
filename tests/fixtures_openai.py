"""The fixture of the fake OpenAI server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fake_openai import FakeOpenAI


@pytest.fixture
def fake_openai() -> Iterator[FakeOpenAI]:
    """A fresh fake server for one test; script it with `fake_openai.script(...)`."""
    fake = FakeOpenAI().start()
    yield fake
    fake.stop()
