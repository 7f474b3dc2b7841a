"""Things that are wanted together: the first failure is told, and nothing is left running behind it."""

from __future__ import annotations

import asyncio

import pytest

from magnet.errors import ProviderBusy
from magnet.together import all_or_none


async def test_results_come_in_the_order_of_the_work():
    async def late(number: int) -> int:
        await asyncio.sleep(0.01 / number)
        return number

    assert await all_or_none([late(1), late(2), late(3)]) == [1, 2, 3]


async def test_the_first_failure_ends_the_others():
    ended = asyncio.Event()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ProviderBusy("Too much at once.")

    with pytest.raises(ProviderBusy):
        await all_or_none([for_ever(), failing()])
    assert ended.is_set()
