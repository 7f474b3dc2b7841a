"""Passages put into order by postprocessors of LlamaIndex: those that the operator allows, within their time."""

from __future__ import annotations

import pytest

from magnet import gateway
from magnet.errors import NotConfigured, ProviderAnswerInvalid, ProviderError, ProviderTimedOut
from magnet.models import AIModel, Provider
from magnet.providers import PROVIDERS

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = ["Cats stay at home.", "The office opens at nine.", "Dogs are welcome at the office."]
NAMES = {
    "words": "SharedWords",
    "failing": "Failing",
    "endless": "Endless",
    "inventing": "Inventing",
    "none": "none_at_all",
    "model": "by_a_language_model",
    "turned": "turned_around",
}


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.POSTPROCESSORS = {name: f"tests.postprocessors:{made}" for name, made in NAMES.items()}
    settings.POSTPROCESSORS["lost"] = "tests.nowhere:Lost"


def rerank_model(name: str, **options: float) -> AIModel:
    provider = Provider(name="Here", slug="here", kind="llama_index_rerank", options=options)
    return AIModel(slug="order", name="Order", model_name=name, purpose="rerank", provider=provider)


async def order(name: str, *, top_n: int = 3, **options: float) -> list[tuple[int, float]]:
    try:
        found = await gateway.rerank(rerank_model(name, **options), "When opens the office?", TEXTS, top_n=top_n)
    finally:
        await gateway.close_all()
    return list(found.order)


async def test_the_wanted_number_comes_back_best_first_and_what_has_no_score_is_left_out():
    assert await order("words") == [(1, 3.0), (2, 2.0)]
    assert await order("words", top_n=1) == [(1, 3.0)]


async def test_a_reranker_that_comes_with_llama_index_works_as_it_is():
    """It asks a language model, which here finds two of the three and likes dogs."""
    assert await order("model") == [(2, 9.0), (1, 2.0)]


async def test_a_postprocessor_that_only_orders_is_taken_at_its_order():
    found = await order("turned")

    assert sorted(number for number, _ in found) == [0, 1, 2]
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("failing", ProviderError, "“failing” failed: RuntimeError: no weights"),
        ("inventing", ProviderAnswerInvalid, "was not given"),
        ("none", NotConfigured, "is no node postprocessor"),
        ("lost", NotConfigured, "cannot be made: ModuleNotFoundError"),
        ("os:system", NotConfigured, "There is no postprocessor “os:system”"),
    ],
)
async def test_what_does_not_work_is_told_in_a_sentence(name, error, said):
    with pytest.raises(error, match=said):
        await order(name)


async def test_one_that_does_not_end_is_given_up():
    from tests.postprocessors import ENDLESS

    try:
        with pytest.raises(ProviderTimedOut, match=r"longer than 0.2 s"):
            await order("endless", seconds=0.2)
    finally:
        ENDLESS.set()


async def test_the_test_of_the_connection_names_what_is_allowed(settings):
    del settings.POSTPROCESSORS["lost"], settings.POSTPROCESSORS["none"]
    provider = rerank_model("words").provider

    assert await gateway.check(provider) == ["endless", "failing", "inventing", "model", "turned", "words"]
    settings.POSTPROCESSORS = {}
    with pytest.raises(NotConfigured, match="MAGNET_POSTPROCESSORS"):
        await gateway.check(provider)


async def test_it_neither_talks_nor_embeds():
    kind = PROVIDERS["llama_index_rerank"]

    assert not kind.needs_key
    with pytest.raises(NotConfigured, match="only reranks"):
        await gateway.embed(rerank_model("words"), ["a"])
