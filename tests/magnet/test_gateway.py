"""The door to models: retries, fallbacks, prices, spans, batches, leaving early; against a fake server over HTTP."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.db import transaction

from magnet import attempts, gateway
from magnet.callers import Caller, acting_as, current_caller
from magnet.database import in_database
from magnet.errors import NotConfigured, ProviderAnswerInvalid, ProviderBusy, ProviderError, ProviderRefusedKey
from magnet.models import AIModel, Provider, Span, Trace
from magnet.providers.base import ChatMessage, ChatRequest, Usage
from magnet.tracing import flush, trace
from tests.fake_openai import FakeOpenAI, Scripted

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = ChatRequest(model="", messages=[ChatMessage("user", "Hello, dear model?")])
USAGE = {"prompt_tokens": 1_000, "completion_tokens": 200, "prompt_tokens_details": {"cached_tokens": 400}}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "FIRST_PAUSE_SECONDS", 0.01)


def provider_at(fake: FakeOpenAI, **fields: Any) -> Provider:
    provider = Provider(name="Cloud", slug="cloud", kind="openai", base_url=fake.base_url, **fields)
    provider.set_api_key("sk-test")
    return provider


def chat_model(provider: Provider, slug: str = "small", **fields: Any) -> AIModel:
    prices = {"input_price": Decimal("2"), "output_price": Decimal("8")}
    return AIModel(
        **{"name": slug, "slug": slug, "model_name": f"gpt-{slug}", "purpose": "chat", "provider": provider}
        | prices
        | fields
    )


def embedding_model(provider: Provider, **fields: Any) -> AIModel:
    values = {"name": "E", "slug": "e", "model_name": "e", "purpose": "embedding", "dimensions": 64}
    return AIModel(**values | fields, provider=provider)


async def written_spans() -> list[Span]:
    def written() -> list[Span]:
        assert flush()
        return list(Span.objects.order_by("started_at"))

    return await in_database(written)


async def the_trace() -> Trace:
    return await in_database(Trace.objects.get)


async def heard(model: AIModel, request: ChatRequest = HELLO) -> str:
    return "".join([delta.text async for delta in gateway.stream(model, request)])


# -- Price and span ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cached_price", "cost"), [(None, "0.0036"), (Decimal("0.5"), "0.003")])
async def test_the_price_counts_cached_tokens_once_and_stays_on_the_span(fake_openai, cached_price, cost):
    model = chat_model(provider_at(fake_openai), cached_input_price=cached_price)
    fake_openai.script(Scripted(text="Hi.", usage=USAGE), Scripted(text="Hi.", usage=USAGE))

    with trace(feature="rag"):
        await gateway.chat(model, HELLO)
        await heard(model)
    model.input_price = Decimal(99)

    for span in await written_spans():
        assert (span.input_tokens, span.cached_tokens, span.output_tokens) == (1_000, 400, 200)
        assert span.cost == Decimal(cost)
        assert (span.model, span.provider, span.kind, span.status) == ("small", "cloud", "chat", "ok")
    assert (await the_trace()).cost == 2 * Decimal(cost)


async def test_a_streamed_answer_ends_with_usage_and_notes_its_first_token(fake_openai):
    fake_openai.script(Scripted(text="one two three", usage=USAGE))

    deltas = [delta async for delta in gateway.stream(chat_model(provider_at(fake_openai)), HELLO)]

    assert "".join(delta.text for delta in deltas) == "one two three"
    assert deltas[-1].usage == Usage(1_000, 200, 400)
    assert [delta.finish_reason for delta in deltas[-2:]] == ["", "stop"]
    span = (await written_spans())[0]
    assert span.first_token_ms is not None
    assert 0 < span.first_token_ms <= span.duration_ms


async def test_usage_that_the_provider_does_not_count_is_estimated_and_marked(fake_openai):
    fake_openai.script(Scripted(text="one two three four", sends_usage=False))

    deltas = [delta async for delta in gateway.stream(chat_model(provider_at(fake_openai)), HELLO)]

    assert deltas[-1].usage == Usage(input_tokens=4, output_tokens=4)
    assert (await written_spans())[0].attributes["usage_is_estimated"] is True


async def test_the_span_keeps_what_was_asked_and_answered(fake_openai):
    fake_openai.script(Scripted(text="Hi."))

    with acting_as(Caller(recording="full")):
        await gateway.chat(chat_model(provider_at(fake_openai)), HELLO, feature="playground")

    def payload() -> Any:
        flush()
        return Span.objects.get().payload

    kept = await in_database(payload)
    assert kept.input["messages"][0]["text"] == "Hello, dear model?"
    assert kept.output == {"text": "Hi."}
    assert (await the_trace()).feature == "playground"


async def test_a_model_gets_only_the_settings_it_takes(fake_openai):
    model = chat_model(provider_at(fake_openai), takes_temperature=False, can_reason=True, max_output_tokens=100)
    options = {"temperature": 0.3, "reasoning_effort": "low"}

    await gateway.chat(model, ChatRequest("", HELLO.messages, max_output_tokens=5_000, options=options))

    body = fake_openai.requests[0].body
    assert "temperature" not in body
    assert (body["model"], body["reasoning_effort"], body["max_tokens"]) == ("gpt-small", "low", 100)


async def test_a_model_that_cannot_stream_answers_in_one_piece(fake_openai):
    fake_openai.script(Scripted(text="All at once.", usage=USAGE))

    deltas = [d async for d in gateway.stream(chat_model(provider_at(fake_openai), can_stream=False), HELLO)]

    assert [delta.text for delta in deltas] == ["All at once.", ""]
    assert deltas[-1].usage == Usage(1_000, 200, 400)
    assert "stream" not in fake_openai.requests[0].body


# -- Retries and fallback ------------------------------------------------------------------------------------


async def test_comes_back_when_the_provider_said_and_not_before(fake_openai):
    fake_openai.script(Scripted(status=429, headers={"Retry-After": "0.3"}), Scripted(text="Now."))
    start = time.monotonic()

    reply = await gateway.chat(chat_model(provider_at(fake_openai)), HELLO)

    assert reply.text == "Now."
    assert time.monotonic() - start >= 0.3
    retries = (await written_spans())[0].attributes["retries"]
    assert retries[0]["error"] == "provider_busy"


@pytest.mark.parametrize(
    ("failure", "requests"),
    [
        (Scripted(status=500), 3),
        (Scripted(status=503), 3),
        (Scripted(body=b"<html>"), 2),
        (Scripted(status=401), 1),
        (Scripted(status=400), 1),
        (Scripted(status=429, headers={"Retry-After": "3600"}), 1),
    ],
)
async def test_asks_again_only_where_that_can_help(fake_openai, failure, requests):
    fake_openai.script(*[failure] * 3)

    with pytest.raises(ProviderError):
        await gateway.chat(chat_model(provider_at(fake_openai)), HELLO)

    assert len(fake_openai.requests) == requests
    span = (await written_spans())[0]
    assert span.status == "error"
    assert "Cloud" in span.error


async def test_the_wait_that_is_too_long_is_told_to_the_caller(fake_openai):
    fake_openai.script(Scripted(status=429, headers={"Retry-After": "3600"}))

    with pytest.raises(ProviderBusy) as caught:
        await gateway.chat(chat_model(provider_at(fake_openai)), HELLO)

    assert caught.value.retry_after_seconds == 3600


async def test_a_stream_is_begun_again_as_long_as_nobody_heard_a_word(fake_openai):
    fake_openai.script(Scripted(text="lost", stops_after=0), Scripted(text="one two"))

    assert await heard(chat_model(provider_at(fake_openai))) == "one two"


async def test_the_fallback_answers_once_and_the_trace_shows_both(fake_openai):
    provider = provider_at(fake_openai)
    model = chat_model(provider, fallback=chat_model(provider, "large"))
    fake_openai.script(
        Scripted(status=401), Scripted(text="From the large one."), Scripted(status=401), Scripted(text="Streamed.")
    )

    with trace(feature="rag"):
        reply = await gateway.chat(model, HELLO)
        streamed = await heard(model)

    assert (reply.text, streamed) == ("From the large one.", "Streamed.")
    assert [r.body["model"] for r in fake_openai.requests] == ["gpt-small", "gpt-large"] * 2
    spans = await written_spans()
    assert [(span.model, span.status) for span in spans] == [("small", "error"), ("large", "ok")] * 2
    assert spans[0].attributes["passed_on_to"] == "large"
    assert spans[1].attributes["fallback_for"] == "small"
    assert (await the_trace()).status == "ok"


async def test_the_error_of_the_fallback_is_told_when_both_fail(fake_openai):
    provider = provider_at(fake_openai)
    fake_openai.script(Scripted(status=500), Scripted(status=500), Scripted(status=500), Scripted(status=401))

    with pytest.raises(ProviderRefusedKey):
        await gateway.chat(chat_model(provider, fallback=chat_model(provider, "large")), HELLO)


async def test_no_fallback_goes_on_in_mid_sentence(fake_openai):
    provider = provider_at(fake_openai)
    model = chat_model(provider, fallback=chat_model(provider, "large"))
    fake_openai.script(Scripted(text="one two three", stops_after=3))

    with pytest.raises(ProviderError, match="stopped in mid-stream"):
        await heard(model)

    assert len(fake_openai.requests) == 1
    span = (await written_spans())[0]
    assert (span.status, span.output_tokens > 0) == ("error", True), "What was written is paid for."


async def test_a_model_that_is_switched_off_is_not_asked(fake_openai):
    provider = provider_at(fake_openai)
    off = chat_model(provider, is_active=False)

    with pytest.raises(NotConfigured, match="switched off"):
        await gateway.chat(off, HELLO)
    off.fallback = chat_model(provider, "large")
    await gateway.chat(off, HELLO)

    assert [r.body["model"] for r in fake_openai.requests] == ["gpt-large"]


# -- Leaving -------------------------------------------------------------------------------------------------


async def test_who_leaves_a_stream_stops_the_model_and_the_span_says_so(fake_openai):
    fake_openai.script(Scripted(text="word " * 500, delta_seconds=0.02))

    async with aclosing(gateway.stream(chat_model(provider_at(fake_openai)), HELLO)) as deltas:
        await anext(deltas)

    assert await asyncio.to_thread(fake_openai.wait_until, lambda fake: fake.disconnects == 1)
    span = (await written_spans())[0]
    assert (span.status, span.error) == ("cancelled", "")
    assert span.attributes["usage_is_estimated"] is True


async def test_a_cancelled_answer_stops_the_model_and_the_span_says_so(fake_openai):
    fake_openai.script(Scripted(delay_seconds=30))
    call = asyncio.create_task(gateway.chat(chat_model(provider_at(fake_openai)), HELLO))
    assert await asyncio.to_thread(fake_openai.wait_until, lambda fake: fake.active == 1)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert await asyncio.to_thread(fake_openai.wait_until, lambda fake: fake.disconnects == 1)
    assert (await written_spans())[0].status == "cancelled"


# -- Embedding -----------------------------------------------------------------------------------------------


async def test_many_texts_go_in_batches_sorted_by_length_and_come_back_in_order(fake_openai):
    provider = provider_at(fake_openai, options={"texts_per_request": 10})
    model = embedding_model(provider, input_price=Decimal("0.02"))
    texts = [f"word{n} " * (1 + n * 7 % 23) for n in range(95)]
    # Long enough for the next batch to be there before this one is answered.
    fake_openai.latency_seconds = 0.1

    found = await gateway.embed(model, texts, purpose="document")

    single = [(await gateway.embed(model, [text])).vectors[0] for text in (texts[0], texts[40], texts[94])]
    assert found.vectors[[0, 40, 94]] == pytest.approx(np.array(single), abs=1e-6)
    batches = [received.body["input"] for received in fake_openai.requests[:10]]
    assert max(map(len, batches)) == 10
    assert all(max(map(len, batch)) - min(map(len, batch)) < 60 for batch in batches), "Sorted by length."
    assert 1 < fake_openai.most_active <= 4
    span = (await written_spans())[0]
    assert span.attributes == {"texts": 95, "purpose": "document", "requests": 10}
    assert span.input_tokens == found.usage.input_tokens > 95
    assert span.cost == found.usage.input_tokens * Decimal("0.02") / 1_000_000


async def test_each_batch_has_its_own_patience(fake_openai):
    model = embedding_model(provider_at(fake_openai, options={"texts_per_request": 1}))
    fake_openai.script(*[Scripted(status=500), Scripted()] * 2, *[Scripted(status=500)] * 2)

    found = await gateway.embed(model, ["one", "two", "three", "four", "five"])

    assert found.vectors.shape == (5, 64)
    assert len((await written_spans())[0].attributes["retries"]) == 4


async def test_a_batch_that_fails_for_good_fails_the_whole_and_stops_the_others(fake_openai):
    model = embedding_model(provider_at(fake_openai, options={"texts_per_request": 1}))
    fake_openai.script(Scripted(status=401), *[Scripted(delay_seconds=30)] * 3)

    with pytest.raises(ProviderRefusedKey):
        await gateway.embed(model, ["one", "two", "three", "four"])

    assert await asyncio.to_thread(fake_openai.wait_until, lambda fake: fake.active == 0)


async def test_texts_that_are_too_long_or_empty_are_made_to_fit(fake_openai):
    model = embedding_model(provider_at(fake_openai), max_input_tokens=50)

    found = await gateway.embed(model, ["", "word " * 10_000])

    assert [len(text.split()) for text in fake_openai.requests[0].body["input"]] == [0, 50]
    assert found.vectors.shape == (2, 64)
    assert (await gateway.embed(model, [])).vectors.shape == (0, 64)


async def test_vectors_of_another_length_are_refused_in_a_sentence_that_says_what_to_correct(fake_openai):
    with pytest.raises(ProviderAnswerInvalid, match="64 numbers, but its dimensions are set to 256"):
        await gateway.embed(embedding_model(provider_at(fake_openai), dimensions=256), ["one"])


# -- Connections ---------------------------------------------------------------------------------------------


async def test_one_provider_keeps_one_connection_until_its_settings_change(fake_openai):
    provider = provider_at(fake_openai)
    for _ in range(3):
        await gateway.chat(chat_model(provider), HELLO)
    assert fake_openai.connections == 1

    provider.set_api_key("sk-other")
    await gateway.chat(chat_model(provider), HELLO)

    assert fake_openai.requests[-1].headers["authorization"] == "Bearer sk-other"
    await gateway.close_all()


async def test_settings_that_do_not_fit_are_told_before_anybody_is_called(fake_openai):
    with pytest.raises(NotConfigured, match="settings of the provider “Cloud” do not fit"):
        await gateway.chat(chat_model(provider_at(fake_openai, options={"texts_per_request": -1})), HELLO)


async def test_a_connection_can_be_tested_before_it_is_saved(fake_openai):
    assert await gateway.check(provider_at(fake_openai)) == ["gpt-fake", "text-embedding-fake"]


def test_plain_code_crosses_over_with_its_caller_and_trace(fake_openai):
    model = chat_model(provider_at(fake_openai))

    async def ask() -> tuple[str, Caller]:
        return (await gateway.chat(model, HELLO)).text, current_caller()

    with acting_as(Caller(kind="user", id="7")) as anna, trace(feature="job") as record:
        text, caller = gateway.run_from_sync(ask())
        gateway.run_from_sync(ask())

    assert (text, caller) == ("This is the answer of the fake model.", anna)
    assert len(record.spans) == 2
    assert fake_openai.connections == 1, "One loop, one client."


def test_plain_code_does_not_cross_over_inside_a_transaction():
    async def nothing() -> None: ...

    with transaction.atomic(), pytest.raises(RuntimeError, match="inside atomic"):
        gateway.run_from_sync(nothing())
