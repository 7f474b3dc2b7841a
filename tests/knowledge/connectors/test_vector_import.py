"""Another vector store as a knowledge source: its texts always, its vectors where they are of the same model."""

from __future__ import annotations

import math

import pytest
from django.db import connection
from pydantic import ValidationError

from knowledge.connectors.base import RemoteDocument
from knowledge.connectors.vector_import import VectorImportConfig, VectorImportConnector, VectorImportSecrets
from knowledge.given_vectors import MOST_CHARACTERS, taken_over
from knowledge.models import Chunk
from magnet.errors import FetchFailed, ListingFailed
from magnet.models import AIModel
from tests import factories
from tests.knowledge.connectors.fake_api import FAULT, SLOW_DOWN, as_json, impatient_client, running
from tests.knowledge.connectors.fakes.qdrant import FakeQdrant
from tests.knowledge.connectors.loopback_postgres import at_the_loopback

DIMENSIONS = 256


def axis(number: int, *, length: float = 1.0) -> list[float]:
    return [length if position == number else 0.0 for position in range(DIMENSIONS)]


@pytest.fixture
def qdrant():
    with running(FakeQdrant) as qdrant:
        qdrant.points = {
            number: ({"text": f"Text {number}, 王小明.", "metadata": {"title": f"Title {number}"}}, axis(number))
            for number in range(1, 6)
        }
        yield qdrant


@pytest.fixture
def table(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute("drop table if exists lang_chain")
        cursor.execute(
            "create table lang_chain (id uuid primary key, document text, cmetadata jsonb, embedding vector)"
        )
        for number in range(1, 6):
            row = [f"00000000-0000-0000-0000-{number:012}", f"Text {number}, Größe.", '{"source": "https://a/b"}']
            cursor.execute("insert into lang_chain values (%s, %s, %s, %s)", [*row, str(axis(number, length=3))])
    with at_the_loopback() as address:
        yield address
    with connection.cursor() as cursor:
        cursor.execute("drop table if exists lang_chain")


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def of_qdrant(qdrant, **fields):
    return {"address": qdrant.url, "table": "help texts", "title_field": "metadata.title", **fields}


def of_table(address, **fields):
    names = {"text_field": "document", "metadata_field": "cmetadata", "url_field": "cmetadata.Source"}
    return {"address": address, "user": "postgres", "table": "public.lang_chain", **names, **fields}


def store(config, *, secret="qd-secret", state=None):
    secrets = VectorImportSecrets(secret=secret)
    return VectorImportConnector(VectorImportConfig(**config), secrets, state=state, client=impatient_client())


def listed(connector):
    return {document.remote_id: document for document in connector.list({})}


def source_of(config):
    source = factories.source("store", connector="vector_import", config=config, deletion_guard_percent=50)
    source.set_secrets({"secret": "qd-secret"})
    source.save()
    return source


def vector_of(remote_id):
    return Chunk.objects.get(document__remote_id=remote_id).embedding


def test_points_of_qdrant_are_read_page_by_page(qdrant):
    connector = store(of_qdrant(qdrant))
    found = listed(connector)

    assert list(found) == ["1", "2", "3", "4", "5"]
    first = found["1"]
    assert (first.title, first.content.body.decode()) == ("Title 1", "Text 1, 王小明.")
    assert len(qdrant.asked("scroll")) == 3
    assert connector.check() == "The collection can be read. It holds 5 points."
    assert "vector" not in qdrant.calls[0].body.decode().replace('"with_vector": false', "")


def test_a_vector_is_fetched_with_its_text_when_it_is_of_the_same_model(qdrant):
    qdrant.points[1] = ({"text": "Both"}, {"dense": axis(7), "sparse": {"indices": [1], "values": [0.5]}})
    del qdrant.points[2], qdrant.points[3], qdrant.points[4], qdrant.points[5]
    connector = store(of_qdrant(qdrant, is_same_model=True, vector_field="dense"))

    (document,) = listed(connector).values()

    assert document.content is None
    assert connector.fetch(document).vector == tuple(axis(7))
    with pytest.raises(FetchFailed, match="no vector named words, but dense, sparse"):
        store(of_qdrant(qdrant, is_same_model=True, vector_field="words")).fetch(document)
    with pytest.raises(FetchFailed, match="no longer in the store"):
        connector.fetch(RemoteDocument("77"))


def test_rows_of_a_pgvector_table_are_read(table):
    connector = store(of_table(table, is_same_model=True))
    found = listed(connector)

    document = found["00000000-0000-0000-0000-000000000003"]
    assert (document.url, document.metadata) == ("https://a/b", {"source": "https://a/b"})
    fetched = connector.fetch(document)
    assert (fetched.body.decode(), fetched.vector) == ("Text 3, Größe.", tuple(axis(3, length=3)))
    assert connector.check() == "The table can be read. Its vectors have 256 numbers."
    with pytest.raises(ListingFailed, match=r"column .*words.* does not exist.*Nothing was deleted"):
        listed(store(of_table(table, text_field="words")))


def test_records_without_text_are_left_out_and_counted(qdrant):
    connector = store(of_qdrant(qdrant, text_field="page_content"))

    assert listed(connector) == {}
    assert connector.state["notice"].startswith("Left out 5 records without a text")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (as_json({"status": {"error": "Forbidden"}}, status=401), "The token was refused by Qdrant"),
        (SLOW_DOWN, "slow down.*3,600 seconds"),
        (FAULT, "has a fault"),
    ],
)
def test_half_a_listing_deletes_nothing(qdrant, answer, said):
    connector = store(of_qdrant(qdrant))
    listing = connector.list({})
    assert [next(listing).remote_id for _ in range(2)] == ["1", "2"]
    qdrant.fail("scroll", answer, answer)

    with pytest.raises(ListingFailed, match=f"{said}.*Nothing was deleted"):
        list(listing)


def test_wrong_settings_are_told(qdrant):
    with pytest.raises(ListingFailed, match="token was refused"):
        store(of_qdrant(qdrant), secret="wrong").check()
    with pytest.raises(ListingFailed, match="knows no /collections/nothing"):
        store(of_qdrant(qdrant, table="nothing")).check()
    with pytest.raises(ListingFailed, match="PostgreSQL with pgvector, or from Qdrant"):
        store(of_qdrant(qdrant, address="mysql://db.example.com/a")).check()
    with pytest.raises(ValidationError):
        VectorImportConfig(address="https://me:pw@qdrant.example.com", table="a")


def test_only_a_vector_that_fits_is_taken_over():
    model = AIModel(model_name="m", dimensions=2)

    assert taken_over((3.0, 4.0), text="a", model=model).vector == (0.6, 0.8)
    for unfit in ((), (1.0,), (0.0, 0.0), (math.nan, 1.0), (math.inf, 1.0)):
        assert taken_over(unfit, text="a", model=model) is None
    assert taken_over((1.0, 0.0), text="a" * (MOST_CHARACTERS + 1), model=model) is None


@pytest.mark.django_db(transaction=True)
def test_two_syncs_take_the_vectors_over_and_embed_nothing(qdrant, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    source = source_of(of_qdrant(qdrant, is_same_model=True))
    run = factories.sync_now(source)
    assert (run.receipt["live"], run.receipt["chunks_embedded"]) == (5, 0)
    assert vector_of("3") == axis(3)
    # Only its vector changes: it was made anew over there.
    qdrant.points[3] = (qdrant.points[3][0], axis(100))
    del qdrant.points[5]

    receipt = factories.sync_now(source).receipt

    assert (receipt["seen"], receipt["changed"], receipt["deleted"], receipt["chunks_embedded"]) == (4, 1, 1, 0)
    assert vector_of("3") == axis(100)


@pytest.mark.django_db(transaction=True)
def test_when_the_vectors_turn_out_to_be_of_another_model_all_texts_are_embedded_anew(table, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    source = source_of(of_table(table, is_same_model=True))
    third = "00000000-0000-0000-0000-000000000003"
    assert factories.sync_now(source).receipt["chunks_embedded"] == 0
    assert vector_of(third) == axis(3)

    source.config = {**source.config, "is_same_model": False}
    source.save()
    receipt = factories.sync_now(source).receipt

    assert (receipt["live"], receipt["changed"], receipt["chunks_embedded"]) == (5, 5, 5)
    assert vector_of(third) != axis(3)


@pytest.mark.django_db(transaction=True)
def test_vectors_of_another_length_are_not_taken_over(table, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    execute("update lang_chain set embedding = '[1,2,3]'")

    receipt = factories.sync_now(source_of(of_table(table, is_same_model=True))).receipt

    assert (receipt["live"], receipt["chunks_embedded"]) == (5, 5)
