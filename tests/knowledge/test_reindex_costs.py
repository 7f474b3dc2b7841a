"""What a re-index has bought is on its bill, also where the provider falls silent half-way."""

from __future__ import annotations

import pytest

from knowledge import indexing, reindex
from tests import factories
from tests.fake_openai import Scripted
from tests.knowledge.test_reindex import cloud_model

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_was_bought_before_the_provider_fell_silent_is_counted(fake_openai, monkeypatch):
    monkeypatch.setattr(indexing, "CHUNKS_AT_ONCE", 1)
    source = factories.source()
    factories.push(source, bees="Bees make honey.", cows="Cows make milk.")
    source.embedding_model = cloud_model(fake_openai)
    source.save()
    index = reindex.start(source)
    embed = indexing.gateway.embed

    async def embed_once(model, texts, **details):
        found = await embed(model, texts, **details)
        fake_openai.script(Scripted(status=429, headers={"retry-after": "3600"}))
        return found

    monkeypatch.setattr(indexing.gateway, "embed", embed_once)
    reindex.run_to_end(index)

    assert index.error
    assert (index.done, index.chunks_embedded) == (1, 1)
    assert index.tokens > 0
