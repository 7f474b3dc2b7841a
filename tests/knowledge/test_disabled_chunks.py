"""A chunk that somebody disabled is found by no search until it is enabled, whatever happens to its document."""

from __future__ import annotations

import pytest

from knowledge import disabling, retrieval, uploads
from knowledge.models import Chunk, DisabledChunk, Document
from magnet.database import in_database
from magnet.models import AuditEntry
from tests import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]
BEES = "# Bees\n\nBees make honey in the old garden."
OLD_PRICE = "# Prices\n\nHoney costs three euros a jar."


def stocked():
    source = factories.source()
    factories.push(source, bees=BEES, prices=OLD_PRICE, cows="# Cows\n\nCows make milk.")
    return source


def chunk_of(remote_id):
    return Chunk.objects.get(document__remote_id=remote_id)


async def found(mode="hybrid"):
    result = await retrieval.search("What does a jar of honey cost?", sources=["handbook"], limit=10, mode=mode)
    return {passage.remote_id for passage in result.passages}


@pytest.mark.parametrize("mode", ["hybrid", "meaning", "words"])
async def test_a_disabled_chunk_is_found_in_no_way_and_an_enabled_one_again(mode):
    await in_database(stocked)
    assert "prices" in await found(mode)
    chunk = await in_database(chunk_of, "prices")

    assert await in_database(disabling.disable, [chunk]) == 1
    assert "prices" not in await found(mode)

    assert await in_database(disabling.enable, [chunk]) == 1
    assert "prices" in await found(mode)


def test_it_stays_disabled_when_its_document_is_indexed_again_with_the_same_text():
    source = stocked()
    disabling.disable([chunk_of("prices")])
    price = Document.objects.get(remote_id="prices")

    factories.push(source, prices=OLD_PRICE + "\n")

    assert [row.is_disabled for row in Chunk.objects.filter(document=price)] == [True]


def test_another_text_is_no_longer_disabled():
    source = stocked()
    disabling.disable([chunk_of("prices")])

    factories.push(source, prices="# Prices\n\nHoney costs four euros a jar.")

    assert not chunk_of("prices").is_disabled


def test_who_disabled_what_is_recorded_and_a_deleted_document_leaves_no_mark():
    stocked()
    disabling.disable([chunk_of("prices")])
    assert AuditEntry.objects.filter(verb="disabled chunks of", changes={"chunks": 1}).count() == 1

    uploads.delete(Document.objects.get(remote_id="prices"))

    assert not DisabledChunk.objects.exists()
