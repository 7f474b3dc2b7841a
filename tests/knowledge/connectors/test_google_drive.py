"""Google Drive: complete once, then by Google's own list of changes, and complete again when in doubt."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from knowledge.connectors.base import KEEP_THE_REST, Gone, RemoteDocument
from knowledge.connectors.google_drive import GoogleDriveConfig, GoogleDriveSecrets
from magnet.errors import FetchFailed, ListingFailed
from tests.knowledge.connectors.fake_api import FAULT, as_json, running
from tests.knowledge.connectors.fakes.google_drive import FOLDER, FakeGoogleDrive

HOME = "folder-0000001"


@pytest.fixture
def drive():
    with running(FakeGoogleDrive) as drive:
        drive.put_file(HOME, name="Handbook", kind=FOLDER)
        drive.put_file("folder-0000002", name="Inside", kind=FOLDER, parent=HOME)
        drive.put_file("doc-in-home", name="Home", body=b"# Home", parent=HOME)
        drive.put_file(
            "pdf-inside", name="guide.pdf", kind="application/pdf", body=b"%PDF-1.7", parent="folder-0000002"
        )
        drive.put_file("film-inside", name="film.mp4", kind="video/mp4", parent="folder-0000002")
        drive.put_file("doc-elsewhere", name="Elsewhere", body=b"# Else")
        yield drive


def take(connector):
    """The items of a listing, and the state for the next one."""
    return list(connector.list({})), connector.state


def ids(items):
    return {item.remote_id for item in items if isinstance(item, RemoteDocument)}


def gone(items):
    return {item.remote_id for item in items if isinstance(item, Gone)}


def test_a_folder_is_read_with_everything_below_it_and_nothing_else(drive):
    link = f"https://drive.google.com/drive/folders/{HOME}?usp=sharing"
    items, state = take(drive.connector(folders=[link]))

    assert ids(items) == {"doc-in-home", "pdf-inside"}
    assert state["folders"] == [HOME, "folder-0000002"]
    assert ids(take(drive.connector())[0]) == {"doc-in-home", "pdf-inside", "doc-elsewhere"}


def test_googles_documents_are_exported_and_files_come_as_they_are(drive):
    connector = drive.connector()
    documents = {item.remote_id: item for item in take(connector)[0]}
    exported = connector.fetch(documents["doc-in-home"])
    file = connector.fetch(documents["pdf-inside"])

    assert (exported.body, exported.media_type, exported.filename) == (b"# Home", "text/markdown", "Home.md")
    assert (file.body, file.media_type, file.filename) == (b"%PDF-1.7", "application/pdf", "guide.pdf")


def test_the_second_listing_names_changes_only(drive):
    _, state = take(drive.connector())
    drive.put_file("doc-in-home", name="Home", body=b"# New", parent=HOME)
    drive.change("doc-elsewhere", trashed=True)
    drive.delete("pdf-inside")
    calls = len(drive.asked("/drive/v3/files?"))
    items, state = take(drive.connector(state=state))
    again, _ = take(drive.connector(state=state))

    assert items[0] is KEEP_THE_REST
    assert ids(items) == {"doc-in-home"}
    assert gone(items) == {"doc-elsewhere", "pdf-inside"}
    assert len(drive.asked("/drive/v3/files?")) == calls
    assert again == [KEEP_THE_REST]


def test_a_document_that_leaves_the_folders_is_gone(drive):
    _, state = take(drive.connector(folders=[HOME]))
    drive.change("doc-in-home", parents=["root-000000"])
    drive.change("doc-elsewhere", parents=[HOME])
    items, _ = take(drive.connector(state=state, folders=[HOME]))

    assert (ids(items), gone(items)) == ({"doc-elsewhere"}, {"doc-in-home"})


def test_a_moved_folder_takes_everything_below_it_along(drive):
    _, state = take(drive.connector(folders=[HOME]))
    drive.change("folder-0000002", parents=["root-000000"])
    items, _ = take(drive.connector(state=state, folders=[HOME]))

    assert KEEP_THE_REST not in items
    assert ids(items) == {"doc-in-home"}


def test_a_cursor_that_google_forgot_means_a_complete_listing(drive):
    _, state = take(drive.connector())
    drive.forgets_cursors = True
    items, _ = take(drive.connector(state=state))

    assert KEEP_THE_REST not in items
    assert ids(items) == {"doc-in-home", "pdf-inside", "doc-elsewhere"}


def test_a_list_of_changes_that_breaks_off_moves_no_cursor(drive):
    _, state = take(drive.connector())
    before = dict(state)
    for number in range(3):
        drive.put(number, "New")
    drive.fail(f"pageToken={int(before['cursor']) + 2}", FAULT)

    connector = drive.connector(state=state)
    with pytest.raises(ListingFailed, match="has a fault"):
        list(connector.list({}))
    assert connector.state == before


def test_a_search_that_google_did_not_finish_is_no_listing(drive):
    drive.fail("/drive/v3/files?", as_json({"files": [], "incompleteSearch": True}))

    with pytest.raises(ListingFailed, match="has not searched everything"):
        take(drive.connector())


@pytest.mark.parametrize("key", ["{}", "not json", json.dumps({"client_email": "a", "private_key": "swordfish"})])
def test_a_key_that_is_none_is_said_without_showing_it(drive, key):
    connector = drive.connector()
    connector.secrets = GoogleDriveSecrets(service_account_key=key)

    with pytest.raises(ListingFailed, match="Paste the whole file") as caught:
        connector.check()
    assert "swordfish" not in str(caught.value)


def test_what_is_in_the_trash_is_not_read_and_folders_must_look_like_folders(drive):
    drive.change("doc-in-home", trashed=True)

    with pytest.raises(FetchFailed, match="trash"):
        drive.connector().fetch(RemoteDocument("doc-in-home", title="Home"))
    with pytest.raises(ValidationError, match="no address of a folder"):
        GoogleDriveConfig(folders=["my folder"])
    assert "the folder Handbook" in drive.connector(folders=[HOME]).check()
