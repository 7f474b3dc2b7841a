"""SharePoint: documents by Graph's delta and pages beside them; when the delta cannot be trusted, everything again."""

from __future__ import annotations

import pytest

from knowledge.connectors.base import KEEP_THE_REST, Gone, RemoteDocument
from knowledge.connectors.sharepoint import SharePointSecrets
from magnet.errors import FetchFailed, ListingFailed
from tests.knowledge.connectors.fake_api import FAULT, running
from tests.knowledge.connectors.fakes.sharepoint import DRIVE, SITE, FakeSharePoint

TEXT = {"@odata.type": "#microsoft.graph.textWebPart", "innerHtml": "<p>Press <b>reset</b>.</p>"}


@pytest.fixture
def sharepoint():
    with running(FakeSharePoint) as sharepoint:
        for number in (1, 2, 3):
            sharepoint.put(number, f"Text {number}")
        sharepoint.put_page("welcome", web_parts=[TEXT])
        yield sharepoint


def take(connector):
    return list(connector.list({})), connector.state


def ids(items):
    return {item.remote_id for item in items if isinstance(item, RemoteDocument)}


def gone(items):
    return {item.remote_id for item in items if isinstance(item, Gone)}


def documents(*numbers):
    return {f"drives/{DRIVE}/item{number}" for number in numbers}


PAGE = f"pages/{SITE}/welcome"


def test_documents_and_published_pages_are_listed_and_films_are_not(sharepoint):
    sharepoint.put_file("film", name="film.mp4", body=b"", media_type="video/mp4")
    sharepoint.put_folder("folder")
    sharepoint.put_page("draft", web_parts=[], level="draft")

    assert ids(take(sharepoint.connector())[0]) == {*documents(1, 2, 3), PAGE}
    assert ids(take(sharepoint.connector(include_pages=False))[0]) == documents(1, 2, 3)
    assert ids(take(sharepoint.connector(include_documents=False))[0]) == {PAGE}


def test_a_file_is_read_from_where_graph_sends_us_and_a_page_from_its_web_parts(sharepoint):
    title = {"key": "title", "value": "Opening hours & more"}
    other = {"data": {"title": "Quick links", "serverProcessedContent": {"searchablePlainTexts": [title]}}}
    sharepoint.put_page("welcome", web_parts=[TEXT, {"@odata.type": "#microsoft.graph.standardWebPart", **other}])
    connector = sharepoint.connector()
    found = {item.remote_id: item for item in take(connector)[0]}
    file, page = connector.fetch(found[f"drives/{DRIVE}/item2"]), connector.fetch(found[PAGE])

    assert (file.body, file.media_type, file.filename) == (b"Text 2", "text/plain", "document 2.txt")
    for part in (b"<h1>Page welcome</h1>", b"Press <b>reset</b>.", b"<h2>Quick links</h2>", b"hours &amp; more"):
        assert part in page.body


def test_the_second_listing_names_changes_only(sharepoint):
    _, state = take(sharepoint.connector())
    sharepoint.put(2, "New")
    sharepoint.delete("item3")
    sharepoint.put(4, "Another")
    sharepoint.put_page("news", web_parts=[TEXT])
    del sharepoint.pages["welcome"]
    items, state = take(sharepoint.connector(state=state))
    again, _ = take(sharepoint.connector(state=state))

    assert items[0] is KEEP_THE_REST
    assert ids(items) == {*documents(2, 4), f"pages/{SITE}/news"}
    assert gone(items) == {*documents(3), PAGE}
    assert ids(again) == {f"pages/{SITE}/news"}


def test_a_cursor_that_graph_forgot_means_a_complete_listing(sharepoint):
    _, state = take(sharepoint.connector())
    sharepoint.forgets_cursors = True
    items, _ = take(sharepoint.connector(state=state))

    assert KEEP_THE_REST not in items
    assert ids(items) == {*documents(1, 2, 3), PAGE}


def test_a_deleted_folder_means_a_complete_listing(sharepoint):
    sharepoint.put_folder("folder")
    _, state = take(sharepoint.connector())
    sharepoint.delete("folder")
    del sharepoint.items["item3"]
    items, _ = take(sharepoint.connector(state=state))

    assert KEEP_THE_REST not in items
    assert ids(items) == {*documents(1, 2), PAGE}


def test_a_delta_that_breaks_off_moves_no_cursor(sharepoint):
    _, state = take(sharepoint.connector())
    for number in (1, 2, 3):
        sharepoint.put(number, "New")
    sharepoint.fail("skiptoken=2", FAULT)
    connector = sharepoint.connector(state=dict(state))

    with pytest.raises(ListingFailed, match="has a fault"):
        list(connector.list({}))
    assert connector.state == state
    assert ids(take(connector)[0]) == {*documents(1, 2, 3), PAGE}


def test_what_is_wrong_in_the_settings_is_said(sharepoint):
    with pytest.raises(ListingFailed, match="no document library Contracts"):
        sharepoint.connector(libraries=["Contracts"]).check()
    with pytest.raises(ListingFailed, match=r"knows no /v1\.0/sites/example\.sharepoint\.com:/sites/IT"):
        sharepoint.connector(sites=["https://example.sharepoint.com/sites/IT"]).check()
    connector = sharepoint.connector()
    connector.secrets = SharePointSecrets(client_secret="wrong")
    with pytest.raises(ListingFailed, match=r"refused by Microsoft.*AADSTS7000215"):
        connector.check()
    with pytest.raises(FetchFailed, match="no document of SharePoint"):
        sharepoint.connector().fetch(RemoteDocument("elsewhere/1"))
    assert "1 site with the document libraries Documents" in sharepoint.connector().check()
