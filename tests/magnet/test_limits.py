"""Limits of providers: within one process, across processes, and what is told to those who waited too long."""

from __future__ import annotations

import asyncio
import time

import pytest

from magnet import gateway, limits
from magnet.attempts import limits_of
from magnet.database import in_database
from magnet.errors import ProviderBusy
from magnet.limits import Places, Rate, fair_share, leased
from magnet.models import LimitLease
from tests.fake_openai import FakeOpenAI, Scripted
from tests.magnet.test_gateway import HELLO, chat_model, provider_at

pytestmark = pytest.mark.django_db(transaction=True)


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


async def test_never_more_calls_at_the_same_time_than_the_provider_allows(fake_openai: FakeOpenAI):
    model = chat_model(provider_at(fake_openai, max_concurrency=3))
    fake_openai.script(*[Scripted(delay_seconds=0.05)] * 12)

    await asyncio.gather(*(gateway.chat(model, HELLO) for _ in range(12)))

    assert fake_openai.most_active == 3


async def test_a_call_that_left_gives_its_place_back(fake_openai: FakeOpenAI):
    model = chat_model(provider_at(fake_openai, max_concurrency=1))
    fake_openai.script(Scripted(delay_seconds=30))
    call = asyncio.create_task(gateway.chat(model, HELLO))
    await asyncio.to_thread(fake_openai.wait_until, lambda fake: fake.active == 1)

    call.cancel()

    assert (await asyncio.wait_for(gateway.chat(model, HELLO), 5)).text


async def test_a_place_that_does_not_come_free_in_time_is_told_with_the_moment_to_come_back():
    places = Places("test calls", 1)

    async with places.one(deadline=soon()):
        with pytest.raises(ProviderBusy, match="All 1 calls") as caught:
            async with places.one(deadline=soon(0.1)):
                pass

    assert caught.value.retry_after_seconds


async def test_requests_beyond_the_minutes_limit_wait_their_turn():
    rate = Rate("test requests", 1_200)
    start = time.monotonic()

    # 200 may go at once, then 20 come in each second.
    for _ in range(205):
        await rate.spend(1, deadline=soon())

    assert time.monotonic() - start >= 5 / 20 * 0.9


async def test_a_limit_that_is_used_up_is_told_with_the_moment_to_come_back():
    rate = Rate("test requests", 6)
    await rate.spend(1, deadline=soon())

    with pytest.raises(ProviderBusy, match="limit of 6 a minute") as caught:
        await rate.spend(1, deadline=soon(0.2))

    assert caught.value.retry_after_seconds == pytest.approx(10, abs=1)


async def test_one_large_request_passes_and_the_next_ones_pay_for_it():
    rate = Rate("test tokens", 60_000)

    await rate.spend(50_000, deadline=soon())

    with pytest.raises(ProviderBusy) as caught:
        await rate.spend(100, deadline=soon(0.2))
    assert caught.value.retry_after_seconds == pytest.approx(40, abs=2)
    rate.correct(-49_000)
    await rate.spend(100, deadline=soon(0.2))


async def test_what_the_provider_counted_corrects_what_was_thought(fake_openai: FakeOpenAI):
    provider = provider_at(fake_openai, tokens_per_minute=60_000)
    usage = {"prompt_tokens": 30_000, "completion_tokens": 0}
    fake_openai.script(Scripted(text="Hi.", usage=usage))

    await gateway.chat(chat_model(provider), HELLO)

    of_provider = limits_of(provider)
    assert of_provider is not None
    assert of_provider.tokens is not None
    assert of_provider.tokens.level == pytest.approx(10_000 - 30_000, abs=600)


def other_process(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(limits, "holder", lambda: name)


def test_processes_share_a_limit_and_never_exceed_it_together(monkeypatch):
    shares: dict[str, float] = {}

    def lease(process: str) -> None:
        other_process(monkeypatch, process)
        shares[process] = leased("provider cloud", limit=90, had=shares.get(process, 0), is_whole=False)
        assert sum(shares.values()) <= 90

    lease("a")
    assert shares == {"a": 90}
    for process in "bcabcabc":
        lease(process)

    assert shares == {"a": 30, "b": 30, "c": 30}


def test_the_share_of_a_process_that_is_gone_comes_back(monkeypatch):
    other_process(monkeypatch, "a")
    leased("provider cloud", limit=90, had=0, is_whole=False)
    other_process(monkeypatch, "b")
    assert leased("provider cloud", limit=90, had=0, is_whole=False) == 0

    LimitLease.objects.filter(holder="a").update(expires_at="2020-01-01T00:00:00Z")

    assert leased("provider cloud", limit=90, had=0, is_whole=False) == 90


@pytest.mark.parametrize(
    ("limit", "others", "had", "share"),
    [
        (4, [], 0, 4),
        (4, [4], 0, 0),
        (4, [2], 2, 2),
        (5, [2], 2, 2),
        (1, [0], 1, 0),  # Somebody waits, so the only place changes hands.
        (1, [0, 0], 0, 1),
        (1, [1], 0, 0),
        (2, [1, 0], 1, 0),
    ],
)
def test_places_are_shared_whole_and_in_turns(limit, others, had, share):
    assert fair_share(limit, others=others, had=had, is_whole=True) == share


async def test_the_built_in_provider_has_no_limit():
    from magnet.models import AIModel
    from magnet.provisioning import ensure_providers

    def model() -> AIModel:
        ensure_providers()
        return AIModel.objects.default_for("chat")

    built_in = await in_database(model)
    built_in.provider.requests_per_minute = 1

    for _ in range(3):
        await gateway.chat(built_in, HELLO)

    assert not await in_database(LimitLease.objects.exists)


async def test_a_process_that_ends_gives_its_shares_back():
    await Rate("test requests", 60).spend(1, deadline=soon())
    assert await in_database(LimitLease.objects.exists)

    await limits.give_back()

    assert not await in_database(LimitLease.objects.exists)
