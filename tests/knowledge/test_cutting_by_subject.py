"""Cutting by subject in a source: it asks the source's embedding model, pays for it, and waits when that is away."""

import pytest

from knowledge import forecast, sync, uploads
from knowledge.models import Chunk, IndexedDocument
from knowledge.uploads import PushedDocument
from magnet.models import AIModel
from tests import factories
from tests.fake_openai import Scripted

pytestmark = pytest.mark.django_db(transaction=True)

HOLIDAYS = "Holidays are asked for in the portal. Your holiday is granted in three days. Holidays roll over. "
CARDS = "Cards cost five euros. A lost card is paid by its owner. Cards are blue."


@pytest.fixture
def cloud(fake_openai):
    model = AIModel.objects.create(
        name="Vectors", slug="vectors", purpose="embedding", model_name="text-embedding-fake", input_price=1,
        provider=factories.openai_provider(fake_openai.base_url), dimensions=fake_openai.dimensions,
    )  # fmt: skip
    settings = {"chunker": "semantic", "chunker_config": {"breakpoint_percentile": 80}}
    return factories.source(embedding_model=model, **settings)


def texts_of(source):
    return list(Chunk.objects.filter(index=source.live_index).order_by("position").values_list("text", flat=True))


def test_a_text_is_cut_where_its_subject_changes_and_the_run_says_what_that_cost(cloud, fake_openai):
    run = factories.push(cloud, rules=HOLIDAYS + CARDS)

    assert run.status == "done", run.error
    texts = texts_of(cloud)
    assert len(texts) > 1
    assert any(text.startswith("Cards cost five") for text in texts)
    to_cut, to_find = (request.body["input"] for request in fake_openai.requests)
    assert len(to_cut) == 6
    counted = sum(len(text.replace(".", " ").split()) for text in (*to_cut, *to_find))
    assert run.tokens == counted
    assert run.cost * 1_000_000 == counted


def test_what_has_not_changed_is_not_cut_again(cloud, fake_openai):
    factories.push(cloud, rules=HOLIDAYS + CARDS)
    fake_openai.requests.clear()

    (run,) = uploads.retry(cloud.documents.all())
    run = sync.run_to_end(run)

    assert (run.status, run.receipt["live"], fake_openai.requests) == ("done", 1, [])


def test_a_provider_that_is_away_while_texts_are_cut_makes_the_run_wait(cloud, fake_openai):
    fake_openai.rule = lambda body: Scripted(status=401)

    run = factories.push(cloud, rules=HOLIDAYS + CARDS, more=CARDS)

    assert (run.status, run.done) == ("indexing", 0)
    assert "Tries again at" in run.remark
    assert set(IndexedDocument.objects.values_list("state", "attempts")) == {("pending", 0)}


def test_a_text_that_the_provider_does_not_embed_fails_alone(cloud, fake_openai):
    fake_openai.rule = lambda body: Scripted(status=400) if "blue" in str(body["input"]) else None

    pushed = uploads.push(cloud, [PushedDocument("a", text=HOLIDAYS), PushedDocument("b", text=CARDS)])
    run = sync.run_to_end(pushed.run)

    assert (run.receipt["live"], run.receipt["failed"]) == (1, 1)


def test_the_forecast_counts_the_sentences_that_are_embedded_to_cut(cloud):
    factories.push(cloud, rules=HOLIDAYS + CARDS)
    plain = factories.source("plain", embedding_model=cloud.embedding_model)
    factories.push(plain, rules=HOLIDAYS + CARDS)
    assert forecast.of_reindex(plain, plain.live_index).tokens == (0, 0)

    expected = forecast.of_reindex(cloud, cloud.live_index)

    assert expected.tokens[0] > 50
    assert expected.cost[0] > 0


def test_a_model_that_is_switched_off_fails_the_run_and_no_document(cloud):
    AIModel.objects.filter(pk=cloud.embedding_model_id).update(is_active=False)

    run = factories.push(cloud, rules=HOLIDAYS + CARDS, more=CARDS)

    assert run.status == "failed"
    assert "switched off" in run.error
    assert set(IndexedDocument.objects.values_list("state", "attempts")) == {("pending", 0)}
