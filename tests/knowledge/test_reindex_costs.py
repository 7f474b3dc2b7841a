"""What a re-index has bought is on its bill, and what makes its worker stop is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import Q
from django.utils import timezone

from knowledge import indexing, ledger, reindex, succession
from knowledge.models import KnowledgeIndex
from tests import factories
from tests.fake_openai import Scripted
from tests.knowledge.reindexing import cloud_model

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


def die_over(index: KnowledgeIndex, remote_id: str) -> None:
    """A worker takes this document and is never heard of again."""
    before, token = index.lease_token, index.take()
    assert token is not None
    if before:
        ledger.count_death(before)
    assert ledger.claim(index, token=token, limit=1, only=Q(document__remote_id=remote_id))
    KnowledgeIndex.objects.filter(pk=index.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=2))


def test_a_text_that_kills_three_workers_is_refused_and_the_others_are_built():
    source = factories.source()
    factories.push(source, bees="Bees make honey.", cows="Cows make milk.")
    source.language = "en"
    source.save()
    index = reindex.start(source)
    succession.add_missing(index)
    for _worker in range(3):
        die_over(index, "cows")

    assert reindex.run_to_end(index).stage == "ready"

    refused = index.ledger.get(document__remote_id="cows")
    assert (refused.state, refused.attempts) == ("failed", 3)
    assert "made the worker stop three times" in refused.failure
    assert index.ledger.get(document__remote_id="bees").state == "live"
