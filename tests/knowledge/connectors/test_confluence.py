"""Confluence in both editions: every current page and attachment of the chosen spaces, and nothing twice."""

from __future__ import annotations

import base64

import pytest
from pydantic import ValidationError

from knowledge.connectors.base import RemoteDocument
from knowledge.connectors.confluence import ConfluenceConfig, ConfluenceConnector, ConfluenceSecrets
from magnet.errors import FetchFailed, ListingFailed
from tests.fake_website import Page
from tests.knowledge.connectors.fake_api import FAULT, SLOW_DOWN, as_json, impatient_client, running
from tests.knowledge.connectors.fakes.confluence import FakeCloud, FakeDataCenter

EDITIONS = {"cloud": FakeCloud, "data_center": FakeDataCenter}


@pytest.fixture(params=list(EDITIONS))
def wiki(request):
    with running(EDITIONS[request.param]) as wiki:
        wiki.edition = request.param
        for number in range(1, 6):
            wiki.put_page(str(number), space="HELP", title=f"Page {number}", body=f"<p>Text {number}</p>")
        wiki.put_page("9", space="OTHER", title="Elsewhere", body="<p>Other</p>")
        wiki.put_attachment("att1", page="1", title="guide.txt", media_type="text/plain", body=b"How to")
        wiki.put_attachment("att2", page="1", title="photo.png", media_type="image/png", body=b"\x89PNG")
        yield wiki


def confluence(wiki, **config):
    settings = {"edition": wiki.edition, "address": wiki.url, "email": "me@example.com", "spaces": ["HELP"], **config}
    secrets = ConfluenceSecrets(token="secret-token")
    return ConfluenceConnector(ConfluenceConfig(**settings), secrets, client=impatient_client())


def listed(connector):
    return {document.remote_id: document for document in connector.list({})}


def test_every_page_of_the_chosen_spaces_is_listed_with_its_attachments(wiki):
    documents = listed(confluence(wiki))

    assert set(documents) == {"1", "2", "3", "4", "5", "1/attachments/att1"}
    page, file = documents["2"], documents["1/attachments/att1"]
    assert (page.title, page.media_type, page.metadata["space"]) == ("Page 2", "text/html", "HELP")
    assert page.url.startswith(wiki.url)
    assert page.url.endswith("/pages/2")
    assert (file.title, file.media_type, file.metadata) == ("guide.txt", "text/plain", {"attached_to": "1"})
    assert set(listed(confluence(wiki, spaces=[], include_attachments=False))) == {"1", "2", "3", "4", "5", "9"}


def test_the_sign_in_is_that_of_the_edition(wiki):
    listed(confluence(wiki))

    pair = base64.b64encode(b"me@example.com:secret-token").decode()
    expected = {"cloud": f"Basic {pair}", "data_center": "Bearer secret-token"}[wiki.edition]
    assert {call.headers["Authorization"] for call in wiki.calls} == {expected}


def test_blog_posts_come_along_when_asked_for(wiki):
    wiki.put_page("7", space="HELP", title="News", body="<p>News!</p>", kind="blogpost")

    assert "7" not in listed(confluence(wiki))
    news = listed(confluence(wiki, include_blog_posts=True))["7"]
    assert b"News!" in confluence(wiki).fetch(news).body


def test_a_changed_page_has_a_new_version_and_a_deleted_one_is_not_named(wiki):
    before = listed(confluence(wiki))
    wiki.put_page("2", space="HELP", title="Page 2", body="<p>New</p>")
    wiki.delete("3")
    after = listed(confluence(wiki))

    assert set(before) - set(after) == {"3"}
    assert [key for key in after if after[key].version != before[key].version] == ["2"]


def test_pages_and_attachments_are_read(wiki):
    connector = confluence(wiki)
    page = connector.fetch(RemoteDocument("2", title="Page 2"))
    file = connector.fetch(RemoteDocument("1/attachments/att1", title="guide.txt", media_type="text/plain"))

    assert (page.media_type, b"<h1>Page 2</h1><p>Text 2</p>" in page.body) == ("text/html", True)
    assert (file.body, file.media_type, file.filename) == (b"How to", "text/plain", "guide.txt")


@pytest.mark.parametrize("answer", [FAULT, SLOW_DOWN, as_json({"message": "no"}, status=401), Page("<html>")])
def test_half_a_listing_is_no_listing(wiki, answer):
    wiki.fail("cursor=" if wiki.edition == "cloud" else "start=", answer, answer)
    listing = confluence(wiki).list({})
    assert next(listing).remote_id == "1"

    with pytest.raises(ListingFailed, match="Nothing was deleted") as caught:
        list(listing)

    assert caught.value.retry_after_seconds == (3600 if answer is SLOW_DOWN else None)


def test_a_refused_token_says_so(wiki):
    wiki.authorization = "Bearer another"

    with pytest.raises(ListingFailed, match="token was refused"):
        confluence(wiki).check()
    with pytest.raises(FetchFailed, match="token was refused"):
        confluence(wiki).fetch(RemoteDocument("2"))


def test_a_connection_is_tested_and_a_space_that_is_not_there_is_named(wiki):
    assert "1 space: HELP" in confluence(wiki).check()
    with pytest.raises(ListingFailed, match="no space with the key NOPE"):
        confluence(wiki, spaces=["HELP", "NOPE"]).check()
    with pytest.raises(ListingFailed, match="Enter “API token”"):
        ConfluenceConnector(confluence(wiki).config, ConfluenceSecrets(), client=impatient_client()).check()


def test_an_address_without_a_host_is_refused_and_that_of_the_cloud_needs_no_path():
    with pytest.raises(ValidationError, match="whole address"):
        ConfluenceConfig(address="example")
    assert ConfluenceConfig(address="https://a.atlassian.net/wiki/").address == "https://a.atlassian.net"
