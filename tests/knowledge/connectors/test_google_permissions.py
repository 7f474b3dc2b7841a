"""Permissions of Google Drive: taken over with those of folders and drives, and nobody where Google says nothing."""

from __future__ import annotations

import pytest

from knowledge.connectors.base import KEEP_THE_REST, RemoteDocument
from magnet.errors import ListingFailed
from tests.knowledge.connectors.fake_api import FAULT, as_json, running
from tests.knowledge.connectors.fakes.google_drive import FOLDER, FakeGoogleDrive

JANE = {"type": "user", "emailAddress": "Jane@example.com"}
TEAM = {"type": "group", "emailAddress": "team@example.com"}
DOMAIN = {"type": "domain", "domain": "example.com", "allowFileDiscovery": True}
LINK = {"type": "anyone", "allowFileDiscovery": False}


@pytest.fixture
def drive():
    with running(FakeGoogleDrive) as drive:
        drive.put_file("plan", name="Plan", body=b"# Plan")
        drive.share("plan", JANE, TEAM)
        yield drive


def groups(drive, *, state=None, **config):
    """The groups of each document that a listing names, and the connector that listed."""
    connector = drive.connector(state=state, take_over_permissions=True, **config)
    items = list(connector.list({}))
    return {item.remote_id: item.groups for item in items if isinstance(item, RemoteDocument)}, items, connector


def test_people_and_groups_are_their_addresses_and_a_domain_is_its_name(drive):
    drive.share("plan", JANE, TEAM, DOMAIN)

    assert groups(drive)[0] == {"plan": ("Jane@example.com", "team@example.com", "example.com")}
    assert drive.asked("/permissions?") == []


def test_nothing_is_taken_over_unless_it_is_switched_on(drive):
    (document,) = drive.connector().list({})
    assert document.groups is None


def test_what_anyone_finds_is_for_everybody_and_what_anyone_opens_by_a_link_only_if_links_count(drive):
    drive.share("plan", JANE, LINK)
    assert groups(drive)[0] == {"plan": ("Jane@example.com",)}
    assert groups(drive, links_count=True)[0] == {"plan": None}

    drive.share("plan", {**LINK, "allowFileDiscovery": True})
    assert groups(drive)[0] == {"plan": None}


def test_ended_and_deleted_permissions_and_those_of_a_published_copy_count_for_nothing(drive):
    ended = {**JANE, "expirationTime": "2020-01-01T00:00:00Z"}
    drive.share("plan", ended, {**TEAM, "deleted": True}, {**DOMAIN, "view": "published"})
    assert groups(drive)[0] == {"plan": ()}

    drive.share("plan", {**JANE, "expirationTime": "2999-01-01T00:00:00.000Z"}, {**TEAM, "expirationTime": "soon"})
    assert groups(drive)[0] == {"plan": ("Jane@example.com",)}


def test_a_name_that_fits_nowhere_stands_for_nobody(drive):
    drive.share("plan", JANE, {"type": "group", "emailAddress": f"{'x' * 300}@example.com"})
    assert groups(drive)[0] == {"plan": ("Jane@example.com",)}


def test_many_permissions_of_a_file_in_a_shared_drive_are_read_page_by_page(drive):
    drive.sends_permissions_along = False
    many = [{"type": "user", "emailAddress": f"p{number}@example.com"} for number in range(5)]
    drive.share("plan", *many)

    assert groups(drive)[0] == {"plan": tuple(person["emailAddress"] for person in many)}
    assert len(drive.asked("/permissions?")) == 3


def test_a_file_whose_permissions_may_not_be_read_is_for_nobody_and_counted(drive):
    drive.put_file("secret", name="Secret merger", body=b"# Secret")

    found, _, connector = groups(drive)

    assert found == {"plan": ("Jane@example.com", "team@example.com"), "secret": ()}
    assert "1 document is found only with the right to all documents" in connector.state["notice"]
    assert "merger" not in connector.state["notice"]


@pytest.mark.parametrize("page", [FAULT, as_json({"error": {"message": "User Rate Limit Exceeded"}}, status=403)])
def test_a_fault_ends_the_listing_instead_of_hiding_documents(drive, page):
    drive.sends_permissions_along = False
    drive.fail("/permissions?", page, page)
    with pytest.raises(ListingFailed):
        groups(drive)


def test_a_change_of_permissions_alone_is_named_among_the_changes(drive):
    _, _, connector = groups(drive)
    drive.share("plan", TEAM)

    found, items, connector = groups(drive, state=connector.state)

    assert items[0] is KEEP_THE_REST
    assert found == {"plan": ("team@example.com",)}


def test_a_folder_or_drive_for_other_people_means_a_complete_listing(drive):
    drive.put_file("folder-0000001", name="Plans", kind=FOLDER)
    _, _, connector = groups(drive)
    drive.share("plan", TEAM, is_named=False)
    drive.share("folder-0000001", TEAM)
    found, items, connector = groups(drive, state=connector.state)
    assert KEEP_THE_REST not in items
    assert found == {"plan": ("team@example.com",)}

    drive.share("plan", JANE, is_named=False)
    drive.changes.append("a drive")
    found, items, _ = groups(drive, state=connector.state)
    assert KEEP_THE_REST not in items
    assert found == {"plan": ("Jane@example.com",)}


def test_permissions_are_read_completely_once_a_day(drive):
    _, _, connector = groups(drive)
    drive.share("plan", TEAM, is_named=False)
    assert groups(drive, state=dict(connector.state))[0] == {}

    yesterday = {**connector.state, "permissions_at": connector.state["permissions_at"] - 25 * 3_600}
    assert groups(drive, state=yesterday)[0] == {"plan": ("team@example.com",)}
