"""What tests of searches leave behind is put away: connections of their event loop, and cached configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from magnet.database import close_raw_pool, forget_configuration


@pytest.fixture
async def searching(transactional_db: None) -> AsyncIterator[None]:
    forget_configuration()
    yield
    forget_configuration()
    await close_raw_pool()
