"""A feed as a knowledge source: its entries are kept when newer ones push them out."""

from __future__ import annotations

import pytest

from knowledge.connectors.base import KEEP_THE_REST, RemoteDocument
from knowledge.connectors.rss import RssConfig, RssConnector, RssSecrets
from knowledge.models import Document
from magnet.errors import FetchFailed, ListingFailed
from tests import factories
from tests.fake_website import Page
from tests.knowledge.connectors.fake_api import FAULT, SLOW_DOWN, as_json, impatient_client, running
from tests.knowledge.connectors.fakes.rss import ATOM, FakeFeed


@pytest.fixture
def site():
    with running(FakeFeed) as site:
        site.entries = {
            "3": ("Größe & 名前", "The third."),
            "2": ("Second", "The second."),
            "1": ("First", "The first."),
        }
        yield site


def feed(site, path="/feed.xml", *, state=None, secrets=None, **fields):
    config = RssConfig(address=site.url + path, **fields)
    return RssConnector(config, secrets, state=state, client=impatient_client())


def documents(connector):
    items = list(connector.list({}))
    assert items[0] is KEEP_THE_REST
    return {item.remote_id: item for item in items[1:]}


def test_entries_of_rss_come_with_their_whole_text(site):
    found = documents(feed(site))

    assert list(found) == ["3", "2", "1"]
    entry = found["3"]
    assert (entry.title, entry.url) == ("Größe & 名前", f"{site.url}/3")
    assert b"<p>The third.</p>" in entry.content.body
    assert entry.metadata == {
        "published": "2026-11-02T09:00:00+00:00",
        "author": "Ana",
        "feed": "Company news",
        "categories": ["News"],
    }
    assert feed(site).check() == "The feed “Company news” shows 3 entries."
    assert feed(site).fetch(found["2"]) == found["2"].content


def test_entries_of_atom_are_read_in_each_of_their_types(site):
    site.routes["/atom"] = Page(ATOM, media_type="application/atom+xml")

    found = documents(feed(site, "/atom"))

    entry = found["urn:uuid:1225c695"]
    assert (entry.title, entry.url) == ("Version 2 & more", f"{site.url}/blog/v2.html")
    assert b"<h2>New</h2><p>Faster <b>search</b>.</p>" in entry.content.body
    assert (entry.metadata["author"], entry.metadata["categories"]) == ("王小明", ["release"])
    assert b"<p>Less &lt; more.</p>" in found["urn:uuid:0000"].content.body
    assert "published" not in found["urn:uuid:0000"].metadata


def test_an_unchanged_feed_is_not_read_again_and_a_changed_one_names_what_it_shows(site):
    first = feed(site)
    before = documents(first)
    assert documents(feed(site, state=first.state)) == {}
    site.entries = {"4": ("Fourth", "New."), "3": ("Größe & 名前", "Corrected."), "2": site.entries["2"]}

    after = documents(feed(site, state=first.state))

    assert list(after) == ["4", "3", "2"]
    assert after["2"].version == before["2"].version
    assert after["3"].version != before["3"].version


def test_the_linked_pages_are_read_where_that_is_wanted(site):
    site.routes["/3"] = Page("<p>Größe</p>".encode("latin-1"), media_type="text/html; charset=latin-1")
    connector = feed(site, fetch_pages=True)
    found = documents(connector)

    assert found["3"].content is None
    assert "Größe" in connector.fetch(found["3"]).body.decode("utf-8-sig")
    with pytest.raises(FetchFailed, match="status 404"):
        connector.fetch(found["2"])


def test_the_secret_header_stays_at_the_host_of_the_feed(site, settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.0/8"]
    secrets = RssSecrets(header_name="X-Key", header_value="s3cret")
    connector = feed(site, secrets=secrets, fetch_pages=True)
    documents(connector)

    assert site.calls[-1].headers["X-Key"] == "s3cret"
    assert connector._secrets_for("https://elsewhere.example/1") == {}
    assert "s3cret" not in repr(secrets)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (as_json({}, status=401), "asks for a sign-in"),
        (SLOW_DOWN, "slow down"),
        (FAULT, "has a fault"),
        (Page("<rss><channel><item>"), "is damaged XML"),
        (Page("<html><body>Hello</body></html>"), "neither RSS nor Atom"),
        (Page('<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss>&a;</rss>'), "declares a document type"),
        (Page("<a>" * 200 + "</a>" * 200), "nested too deeply"),
        (Page("<rss><channel>", is_cut_off=True), "broke off"),
    ],
)
def test_a_feed_that_cannot_be_read_deletes_nothing(site, answer, said):
    site.fail("/feed.xml", answer, answer)
    connector = feed(site)

    with pytest.raises(ListingFailed, match=f"{said}.*Nothing was deleted"):
        documents(connector)

    assert connector.state == {}


def test_an_entry_that_dropped_out_cannot_be_fetched_again(site):
    with pytest.raises(FetchFailed, match="no longer shows this entry"):
        feed(site).fetch(RemoteDocument("0"))


@pytest.mark.django_db(transaction=True)
def test_what_drops_out_of_a_feed_stays_in_the_source(site, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    source = factories.source("news", connector="rss", config={"address": f"{site.url}/feed.xml"})
    assert factories.sync_now(source).receipt["live"] == 3
    site.entries = {"4": ("Fourth", "The fourth."), "3": ("Größe & 名前", "The third, corrected.")}

    receipt = factories.sync_now(source).receipt

    assert (receipt["seen"], receipt["live"], receipt["added"]) == (4, 4, 1)
    assert (receipt["changed"], receipt["deleted"]) == (1, 0)
    assert "corrected" in Document.objects.get(remote_id="3").text
    assert factories.sync_now(source).receipt["seen"] == 4
