"""Texts of many documents: read together, but never all at once."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from knowledge import stored_texts, uploads
from knowledge.connectors.base import Connector
from knowledge.models import Document
from knowledge.stored_texts import texts_of
from knowledge.uploads import PushedDocument
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def handed_in(count: int) -> tuple[list[Document], Connector]:
    source = factories.source()
    texts = [PushedDocument(remote_id=f"page-{n}", text=f"Text of page {n}.") for n in range(count)]
    uploads.push(source, texts)
    return list(source.documents.order_by("pk")), source.open_connector()


def test_texts_are_asked_for_together():
    documents, connector = handed_in(20)
    texts = texts_of(documents, connector=connector)

    with CaptureQueriesContext(connection) as asked:
        found = [texts.take(document).incoming for document in documents]

    assert sorted(map(str, found)) == sorted(f"Text of page {n}." for n in range(20))
    assert len(asked) == 2


def test_no_more_than_a_few_megabytes_are_held(monkeypatch):
    documents, connector = handed_in(20)
    monkeypatch.setattr(stored_texts, "MOST_BYTES_AT_ONCE", 60)
    texts = texts_of(documents, connector=connector)

    for document in documents:
        assert texts.take(document).incoming
        assert len(texts.held) < 4


def test_what_is_indexed_is_read_when_nothing_new_was_handed_in():
    documents, connector = handed_in(2)
    Document.objects.filter(pk=documents[0].pk).update(incoming_text=None, text="Old.", page_starts=[0, 3])
    texts = texts_of(documents, connector=connector)

    first, second = texts.take(documents[0]), texts.take(documents[1])

    assert (first.incoming, first.text, first.page_starts) == (None, "Old.", (0, 3))
    assert second.incoming


def test_a_document_that_was_deleted_meanwhile_says_nothing():
    documents, connector = handed_in(2)
    texts = texts_of(documents, connector=connector)
    Document.objects.filter(pk=documents[1].pk).update(incoming_text=None, text="")

    assert texts.take(documents[1]) == stored_texts.NOTHING
