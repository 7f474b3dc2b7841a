"""The fixture of tests that carry turns."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from magnet.database import close_raw_pool


@pytest.fixture
async def in_a_process(transactional_db: None) -> AsyncIterator[None]:
    """As a web process, which ends its turns and gives its connections back."""
    from conversations import turn_runs

    yield
    await turn_runs.drain(seconds=0)
    await close_raw_pool()
