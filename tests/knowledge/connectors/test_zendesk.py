"""Zendesk Guide: published articles by language, with attachments; what only some may read stays theirs."""

from __future__ import annotations

import pytest

from magnet.errors import FetchFailed, ListingFailed
from tests.knowledge.connectors.fake_api import running
from tests.knowledge.connectors.fakes.zendesk import FakeZendesk


@pytest.fixture
def zendesk():
    with running(FakeZendesk) as zendesk:
        zendesk.put(1, "Hello")
        yield zendesk


def listed(connector, known=None):
    return {document.remote_id: document for document in connector.list(known or {})}


def test_drafts_stay_out_and_each_language_is_a_document_of_its_own(zendesk):
    zendesk.put(1, "Hallo", locale="de")
    zendesk.put(2, "Later", draft=True)

    assert set(listed(zendesk.connector())) == {"en-us/1"}
    both = listed(zendesk.connector(locales=["en-us", "de"]))
    assert set(both) == {"en-us/1", "de/1"}
    assert b"Hallo" in zendesk.connector().fetch(both["de/1"]).body
    with pytest.raises(ListingFailed, match="no language fr; it has en-us, de"):
        zendesk.connector(locales=["fr"]).check()


def test_what_a_user_segment_may_read_is_left_out_or_kept_for_its_group(zendesk):
    zendesk.put(2, "For agents", user_segment_id=7)
    zendesk.attach(2, id=31, name="inside.txt", media_type="text/plain", body=b"Inside")

    assert set(listed(zendesk.connector())) == {"en-us/1"}
    all_of_them = listed(zendesk.connector(only_public=False))
    assert all_of_them["en-us/1"].groups is None
    assert all_of_them["en-us/2"].groups == ("Agents",)
    assert all_of_them["en-us/2/attachments/31"].groups == ("Agents",)


def test_readable_attachments_are_documents_beside_their_article(zendesk):
    zendesk.attach(1, id=31, name="manual.txt", media_type="text/plain", body=b"How to")
    zendesk.attach(1, id=32, name="photo.png", media_type="image/png", body=b"\x89PNG")
    zendesk.attach(1, id=33, name="inline.txt", media_type="text/plain", body=b"", inline=True)
    connector = zendesk.connector()
    documents = listed(connector)

    assert set(documents) == {"en-us/1", "en-us/1/attachments/31"}
    file = documents["en-us/1/attachments/31"]
    assert file.metadata == {"attached_to": "en-us/1"}
    content = connector.fetch(file)
    assert (content.body, content.media_type, content.filename) == (b"How to", "text/plain", "manual.txt")
    zendesk.attachments.clear()
    with pytest.raises(FetchFailed, match="no longer attached"):
        connector.fetch(file)
    assert set(listed(zendesk.connector(include_attachments=False))) == {"en-us/1"}


def test_the_text_comes_with_the_listing_where_it_is_new(zendesk):
    (document,) = listed(zendesk.connector()).values()

    assert b"Hello" in document.content.body
    assert listed(zendesk.connector(), known={"en-us/1": document.version})["en-us/1"].content is None
