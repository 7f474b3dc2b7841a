"""Texts put into order by a rerank model: over HTTP, in the shapes that servers agree on, counted and priced."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from magnet import attempts, gateway
from magnet.database import in_database
from magnet.errors import NotConfigured, ProviderAnswerInvalid
from magnet.models import AIModel, Provider, Span
from magnet.tracing import flush, trace
from tests import factories
from tests.fake_openai import Scripted

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = ["Cats stay at home.", "The office opens at nine.", "Dogs are welcome."]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "FIRST_PAUSE_SECONDS", 0.01)


def rerank_model(provider: Provider) -> AIModel:
    return AIModel(
        slug="order", name="Order", model_name="order-1", purpose="rerank", provider=provider, input_price=Decimal(1)
    )


async def provider_at(base_url: str, **fields: Any) -> Provider:
    return await in_database(lambda: factories.openai_provider(base_url, **fields))


async def test_a_rerank_model_names_the_texts_that_fit_best(fake_openai):
    model = rerank_model(await provider_at(fake_openai.base_url))

    with trace(feature="test"):
        found = await gateway.rerank(model, "When opens the office?", TEXTS, top_n=2)

    assert found.order[0] == (1, 0.75)
    assert len(found.order) == 2
    sent = fake_openai.requests[0]
    assert (sent.path, sent.body["top_n"], sent.body["documents"]) == ("/v1/rerank", 2, TEXTS)
    assert await in_database(flush)
    span = await in_database(lambda: Span.objects.get(kind="rerank"))
    assert (span.model, span.input_tokens, span.cost) == ("order", 12, Decimal("0.000012"))


async def test_servers_that_call_them_texts_are_understood_too(fake_openai):
    model = rerank_model(await provider_at(fake_openai.base_url, options={"rerank_shape": "texts"}))

    found = await gateway.rerank(model, "Are dogs welcome?", TEXTS, top_n=1)

    assert found.order == ((2, 1.0),)
    assert found.usage.input_tokens > 0


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [{"index": 7, "relevance_score": 0.5}]},
        {"results": [{"index": 0, "relevance_score": None}]},
        {"results": ["first"]},
        {"choices": []},
        "fine",
    ],
)
async def test_a_ranking_that_does_not_fit_is_refused_and_not_guessed_at(fake_openai, answer):
    model = rerank_model(await provider_at(fake_openai.base_url))
    for _attempt in range(10):
        fake_openai.script(Scripted(body=json.dumps(answer).encode()))

    with pytest.raises(ProviderAnswerInvalid, match="ranking"):
        await gateway.rerank(model, "Dogs?", TEXTS, top_n=2)


async def test_a_server_that_sends_more_than_asked_for_and_some_twice_is_cut_to_what_was_asked(fake_openai):
    model = rerank_model(await provider_at(fake_openai.base_url))
    rows = [{"index": index, "relevance_score": score} for index, score in ((0, 0.1), (2, 0.9), (2, 0.2), (1, 0.5))]
    fake_openai.script(Scripted(body=json.dumps({"results": rows}).encode()))

    found = await gateway.rerank(model, "Dogs?", TEXTS, top_n=2)

    assert found.order == ((2, 0.9), (1, 0.5))


async def test_a_provider_that_cannot_rerank_says_so(transactional_db):
    await in_database(factories.local_embedding)
    provider = await in_database(lambda: Provider.objects.get(kind="local"))

    with pytest.raises(NotConfigured, match="does not rerank"):
        await gateway.rerank(rerank_model(provider), "Dogs?", TEXTS, top_n=2)
