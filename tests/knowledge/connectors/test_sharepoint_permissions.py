"""Permissions of SharePoint: people, groups and links as Graph names them, and nobody where it names nobody."""

from __future__ import annotations

import pytest

from knowledge.connectors.base import KEEP_THE_REST, RemoteDocument
from tests.knowledge.connectors.fake_api import running
from tests.knowledge.connectors.fakes.sharepoint import DRIVE, FakeSharePoint

JANE = {"grantedToV2": {"user": {"id": "1", "displayName": "Jane", "email": "jane@example.com"}}}
JOHN = {
    "grantedToV2": {
        "user": {"id": "2", "displayName": "John"},
        "siteUser": {"id": "9", "loginName": "i:0#.f|membership|john@example.com"},
    }
}
SALES = {"grantedToV2": {"group": {"id": "9f1c-sales", "displayName": "HR", "email": "sales@example.com"}}}
MEMBERS = {"grantedToV2": {"siteGroup": {"id": "5", "displayName": "HR Members"}}}
LOGIN = "c:0-.f|rolemanager|spo-grid-all-users/1234"
ALL_OF_US = {
    "grantedToV2": {"siteUser": {"id": "7", "displayName": "Everyone except external users", "loginName": LOGIN}}
}


GROUP_OF_ENTRA = {"grantedToV2": {"siteUser": {"id": "8", "loginName": "c:0t.c|tenant|9f1c-board"}}}
OWNERS = "c:0o.c|federateddirectoryclaimprovider|9f1c-team_o"
OWNERS_OF_ENTRA = {"grantedToV2": {"siteUser": {"id": "8", "loginName": OWNERS}}}


def link(scope, *people):
    given = [person["grantedToV2"] for person in people]
    return {"link": {"scope": scope, "type": "view"}, "grantedToIdentitiesV2": given}


@pytest.fixture
def sharepoint():
    with running(FakeSharePoint) as sharepoint:
        sharepoint.put(1, "Text 1")
        sharepoint.share("item1", JANE, is_named=False)
        yield sharepoint


def groups(sharepoint, *, state=None, **config):
    """The groups of each item that a listing names, and the connector that listed."""
    connector = sharepoint.connector(state=state, take_over_permissions=True, **config)
    items = list(connector.list({}))
    named = (item for item in items if isinstance(item, RemoteDocument))
    return {item.remote_id.rpartition("/")[2]: item.groups for item in named}, items, connector


def test_nothing_is_taken_over_unless_it_is_switched_on(sharepoint):
    (document,) = sharepoint.connector().list({})
    assert document.groups is None
    assert sharepoint.asked("/permissions") == []


def test_people_are_addresses_and_groups_what_nobody_else_can_be_called(sharepoint):
    sharepoint.share("item1", JANE, JOHN, SALES, MEMBERS, ALL_OF_US, is_named=False)

    expected = {"jane@example.com", "john@example.com", "9f1c-sales", "sales@example.com", "HR Members", "example.com"}
    assert set(groups(sharepoint)[0]["item1"]) == expected
    assert len(sharepoint.asked("/items/item1/permissions")) == 3


def test_a_group_of_entra_among_the_users_of_a_site_is_its_id_and_its_owners_are_nobody(sharepoint):
    sharepoint.share("item1", GROUP_OF_ENTRA, OWNERS_OF_ENTRA, is_named=False)
    assert groups(sharepoint)[0]["item1"] == ("9f1c-board",)


def test_a_link_for_certain_people_is_for_them_and_one_for_all_only_if_links_count(sharepoint):
    sharepoint.share("item1", JANE, link("users", JOHN), link("organization"), is_named=False)
    assert groups(sharepoint)[0]["item1"] == ("jane@example.com", "john@example.com")
    assert "example.com" in groups(sharepoint, links_count=True)[0]["item1"]

    sharepoint.share("item1", JANE, link("anonymous"), link("existingAccess"), is_named=False)
    assert groups(sharepoint)[0]["item1"] == ("jane@example.com",)
    assert groups(sharepoint, links_count=True)[0]["item1"] is None


def test_what_has_ended_or_lets_nobody_read_counts_for_nothing(sharepoint):
    ended = {**JANE, "expirationDateTime": "2020-01-01T00:00:00Z"}
    lasting = {**JOHN, "expirationDateTime": "0001-01-01T00:00:00Z"}
    sharepoint.share("item1", ended, lasting, {**SALES, "roles": ["sp.limited access"]}, is_named=False)
    assert groups(sharepoint)[0]["item1"] == ("john@example.com",)


def test_what_graph_will_not_tell_is_for_nobody_and_pages_are(sharepoint):
    sharepoint.put_file("secret", name="secret merger.txt", body=b"Text")
    sharepoint.put_page("welcome", web_parts=[])

    found, _, connector = groups(sharepoint)

    assert found == {"item1": ("jane@example.com",), "secret": (), "welcome": ()}
    assert "2 documents are found only" in connector.state["notice"]
    assert "of 1 the source did not say" in connector.state["notice"]
    assert "merger" not in connector.state["notice"]


def test_a_change_of_permissions_alone_is_named_by_the_delta(sharepoint):
    _, _, connector = groups(sharepoint)
    before = sharepoint.items["item1"]["file"]["hashes"]
    sharepoint.share("item1", SALES)

    found, items, connector = groups(sharepoint, state=connector.state)

    assert items[0] is KEEP_THE_REST
    assert found == {"item1": ("9f1c-sales", "sales@example.com")}
    assert sharepoint.items["item1"]["file"]["hashes"] == before
    assert list(connector.state["cursors"]) == [DRIVE]


def test_a_folder_that_is_for_other_people_means_a_complete_listing(sharepoint):
    sharepoint.put_folder("folder")
    _, _, connector = groups(sharepoint)
    sharepoint.share("item1", SALES, is_named=False)
    sharepoint.share("folder", SALES)

    found, items, _ = groups(sharepoint, state=connector.state)

    assert KEEP_THE_REST not in items
    assert found["item1"] == ("9f1c-sales", "sales@example.com")


def test_so_does_a_library_that_is_and_its_root_alone_does_not(sharepoint):
    _, _, connector = groups(sharepoint)
    sharepoint.items["root"] = {"id": "root", "name": "root", "root": {}, "folder": {}}
    sharepoint.changes.append("root")
    _, items, connector = groups(sharepoint, state=connector.state)
    assert items[0] is KEEP_THE_REST

    sharepoint.share("root", SALES)
    assert KEEP_THE_REST not in groups(sharepoint, state=connector.state)[1]


def test_permissions_are_read_completely_once_a_day(sharepoint):
    _, _, connector = groups(sharepoint)
    sharepoint.share("item1", SALES, is_named=False)
    assert groups(sharepoint, state=dict(connector.state))[0] == {}

    yesterday = {**connector.state, "permissions_at": connector.state["permissions_at"] - 25 * 3_600}
    assert groups(sharepoint, state=yesterday)[0]["item1"] == ("9f1c-sales", "sales@example.com")
