"""Whoever looks after a vector store sees how far it lags, is told when it stands still, and can prove what is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from knowledge import proof, uploads, vector_copies, vector_lag, vectors
from knowledge.models import Chunk, Document, KnowledgeIndex, VectorChange
from magnet.models import Delivery, Webhook
from magnet.web.health import readiness
from tests.knowledge.crowd import make_crowd
from tests.knowledge.stores.fake_opensearch import FakeOpenSearch, fake_opensearch
from tests.processes import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("kind", ["opensearch"])]


@pytest.fixture
def server():
    with fake_opensearch() as server:
        yield server


@pytest.fixture
def place(server: FakeOpenSearch) -> str:
    return server.url


@pytest.fixture
def crowd(in_use) -> KnowledgeIndex:
    index = make_crowd("crowd", count=80)
    vector_copies.maintain()
    return index


def document_of(index: KnowledgeIndex) -> Document:
    return Document.objects.filter(source=index.source).order_by("remote_id")[0]


def asked(document: Document) -> tuple[proof.Proof, proof.Check]:
    found = proof.prove(document.source, "gone", document_id=document.pk)
    return found, next(check for check in found.checks if check.place == "vector_store")


def let_pass(**time: int) -> None:
    """The changes that wait were made so long ago."""
    VectorChange.objects.update(created_at=timezone.now() - timedelta(**time))


# -- Proof -----------------------------------------------------------------------------------------------------------


def test_a_deleted_document_is_sought_in_the_store_until_the_copy_has_followed(crowd):
    document = document_of(crowd)
    _before, there = asked(document)
    uploads.delete(document)
    let_pass(seconds=12)

    lagging, on_its_way = asked(document)
    vector_copies.maintain()
    _after, gone = asked(document)

    assert there.found == 1
    assert on_its_way.found == 1
    assert "Still 1" in on_its_way.where[0]
    assert "the copy lags by 12 s" in on_its_way.where[0]
    assert not lagging.is_gone
    assert gone.found == 0
    assert "OpenSearch" in gone.label


def test_a_vector_that_nobody_would_ever_remove_is_found_and_how_to_remove_it_is_said(crowd):
    document = document_of(crowd)
    chunk = Chunk.objects.get(document=document)
    vector = chunk.embedding
    uploads.delete(document)
    vector_copies.maintain()
    vectors.store().add(vectors.collection(crowd.pk), [(chunk.pk, vector)])

    _proof, found = asked(document)

    assert found.found == 1
    assert "sync_vectors --check" in " ".join(found.where)


def test_a_store_that_does_not_answer_proves_nothing(crowd, settings):
    document = document_of(crowd)
    uploads.delete(document)
    settings.VECTOR_DB_URL = f"http://127.0.0.1:{free_port()}"

    whole, check = asked(document)

    assert check.found is None
    assert "could not be asked" in check.where[0]
    assert not whole.is_gone


def test_a_copy_too_large_to_look_through_in_time_is_named_as_such(crowd, monkeypatch):
    monkeypatch.setattr(vector_lag, "SEARCH_SECONDS", -1.0)

    _proof, check = asked(document_of(crowd))

    assert check.found is None
    assert "too large" in check.where[0]


# -- Lag -------------------------------------------------------------------------------------------------------------


def test_operators_read_in_the_health_check_how_much_waits_and_how_long(crowd):
    assert readiness()["vector_store_outbox"] == {"waiting": 0, "oldest_seconds": 0, "stands_still": False}
    Chunk.objects.filter(index=crowd).order_by("pk")[:5].first().delete()
    let_pass(minutes=11)

    told = readiness()

    outbox = told["vector_store_outbox"]
    assert (outbox["waiting"], outbox["stands_still"]) == (1, True)
    assert outbox["oldest_seconds"] >= 660
    assert told["status"] == "ok"


def test_the_pages_of_the_source_and_the_first_one_show_a_copy_that_stands_still(owner, crowd):
    overview = reverse("admin:knowledge_knowledgesource_overview", args=[crowd.source_id])
    assert "OpenSearch is up to date." in owner.get(overview).content.decode()
    Chunk.objects.filter(index=crowd).first().delete()
    let_pass(minutes=11)

    page = owner.get(overview).content.decode()
    notices = owner.get(reverse("admin:index")).context["notices"]

    assert "1 change waits to be copied to OpenSearch; the copy lags by 66" in page
    assert "stands still" in page
    assert [notice.level for notice in notices if "OpenSearch" in notice.text] == ["danger"]


def test_people_are_told_once_that_it_stands_still_and_once_that_it_has_caught_up(crowd):
    hook = Webhook(name="Pager", url="http://127.0.0.1:9/", events=["vectors.lag"])
    hook.renew_secret()
    hook.save()
    Chunk.objects.filter(index=crowd).first().delete()
    assert vector_lag.tell() == 0

    let_pass(minutes=11)
    told = [vector_lag.tell(), vector_lag.tell()]
    let_pass(minutes=1)
    told.append(vector_lag.tell())
    vector_copies.maintain()
    told += [vector_lag.tell(), vector_lag.tell()]

    assert told == [1, 0, 0, 1, 0]
    said = list(Delivery.objects.order_by("created_at").values_list("payload__data__status", "text"))
    assert [status for status, _text in said] == ["behind", "caught_up"]
    assert "manage.py work" in said[0][1]


def test_who_searches_in_postgresql_hears_nothing_of_copies(crowd, settings):
    settings.VECTOR_DB_TYPE = "pgvector"

    places = [check.place for check in proof.prove(crowd.source, "anything").checks]

    assert "vector_store" not in places
    assert "vector_store_outbox" not in readiness()
    assert vector_lag.tell() == 0
    settings.VECTOR_DB_TYPE = "opensearch"
