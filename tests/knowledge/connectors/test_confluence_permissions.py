"""Permissions of Confluence: the space, the page and all pages above it must allow it, in both editions."""

from __future__ import annotations

import pytest

from magnet.errors import ListingFailed
from tests.knowledge.connectors.fake_api import FAULT, running
from tests.knowledge.connectors.fakes.confluence import SPACE_IDS, FakeCloud, FakeDataCenter

HELP = SPACE_IDS["HELP"]
JANE, JOHN, MARY = "user:jane", "user:john", "user:mary"
STAFF, BOARD = "group:staff", "group:board"


@pytest.fixture(params=[FakeCloud, FakeDataCenter])
def wiki(request):
    with running(request.param) as wiki:
        wiki.put_page("1", space="HELP", title="Home", body="<p>Home</p>")
        wiki.put_page("2", space="HELP", title="Plans", body="<p>Plans</p>", parent="1")
        wiki.put_page("3", space="HELP", title="Merger", body="<p>Merger</p>", parent="2")
        wiki.put_attachment("att1", page="3", title="terms.txt", media_type="text/plain", body=b"Terms")
        wiki.access.spaces[HELP] = [STAFF]
        wiki.access.members["staff"] = ["jane", "john", "mary"]
        wiki.access.members["board"] = ["jane", "stranger"]
        yield wiki


def groups(wiki):
    """The groups of each document, and what the listing said of them."""
    connector = wiki.connector(take_over_permissions=True)
    found = {document.remote_id: document.groups for document in connector.list({})}
    return found, connector.state["notice"]


def test_nothing_is_taken_over_unless_it_is_switched_on(wiki):
    assert {document.groups for document in wiki.connector().list({})} == {None}
    assert wiki.asked("/restriction/") == wiki.asked("/permissions") == []


def test_pages_without_restrictions_are_for_whom_the_space_is(wiki):
    wiki.access.spaces[HELP] = [STAFF, JOHN]

    found, notice = groups(wiki)

    assert set(found.values()) == {("john@example.com", "staff")}
    assert notice == ""


def test_a_space_for_everybody_is_for_everybody_except_where_a_page_is_restricted(wiki):
    wiki.access.spaces[HELP] = [STAFF, "anonymous"]
    wiki.access.restrictions["2"] = [JANE]

    assert groups(wiki)[0] == {
        "1": None, "2": ("jane@example.com",), "3": ("jane@example.com",), "3/attachments/att1": ("jane@example.com",)
    }  # fmt: skip


def test_a_page_and_its_attachments_inherit_the_restrictions_of_the_pages_above(wiki):
    wiki.access.restrictions["2"] = [JANE, JOHN]
    wiki.access.restrictions["3"] = [JOHN, MARY]

    found, _ = groups(wiki)

    assert found["1"] == ("staff",)
    assert found["2"] == ("jane@example.com", "john@example.com")
    assert found["3"] == found["3/attachments/att1"] == ("john@example.com",)


def test_whoever_is_named_on_a_page_and_may_not_view_the_space_sees_nothing(wiki):
    wiki.access.restrictions["2"] = [JANE, "user:stranger"]
    assert groups(wiki)[0]["2"] == ("jane@example.com",)


def test_of_a_group_that_the_space_does_not_name_those_count_who_may_view_the_space(wiki):
    wiki.access.restrictions["2"] = [BOARD]
    wiki.access.restrictions["3"] = [STAFF]

    found, _ = groups(wiki)

    assert found["2"] == found["3"] == ("jane@example.com",)


def test_a_group_that_is_named_everywhere_stays_a_group(wiki):
    wiki.access.restrictions["2"] = [STAFF]
    assert groups(wiki)[0]["2"] == ("staff",)
    assert wiki.asked("/member") == []


def test_long_restrictions_and_large_groups_are_read_page_by_page(wiki):
    crowd = [f"p{number}" for number in range(7)]
    wiki.access.members["staff"] = crowd
    wiki.access.restrictions["2"] = [f"user:{name}" for name in crowd]

    assert groups(wiki)[0]["2"] == tuple(f"{name}@example.com" for name in crowd)
    assert len(wiki.asked("/content/2/restriction/")) == 4


def test_a_space_that_may_not_tell_its_permissions_is_for_nobody_and_counted(wiki):
    del wiki.access.spaces[HELP]

    found, notice = groups(wiki)

    assert set(found.values()) == {()}
    assert "3 documents are found only with the right to all documents" in notice
    assert len(wiki.asked("/permissions")) == 1


def test_a_group_that_may_not_tell_its_members_counts_as_empty(wiki):
    del wiki.access.members["staff"]
    wiki.access.restrictions["2"] = [JANE]

    found, notice = groups(wiki)

    assert (found["1"], found["2"]) == (("staff",), ())
    assert "who belongs to 1 of its groups" in notice


def test_a_fault_ends_the_listing_instead_of_hiding_documents(wiki):
    wiki.fail("/content/3/restriction/", FAULT, FAULT)
    with pytest.raises(ListingFailed):
        groups(wiki)


def test_a_person_whose_address_is_hidden_is_a_user_name_or_nobody(wiki):
    wiki.access.hidden.add("jane")
    wiki.access.restrictions["2"] = [JANE]

    expected = {"cloud": (), "data_center": ("user:jane",)}
    assert groups(wiki)[0]["2"] == expected[wiki.edition]


def test_a_change_of_restrictions_alone_keeps_the_version_of_a_page(wiki):
    before = {document.remote_id: document.version for document in wiki.connector(take_over_permissions=True).list({})}
    wiki.access.restrictions["1"] = [JANE]
    after = list(wiki.connector(take_over_permissions=True).list({}))

    assert {document.remote_id: document.version for document in after} == before
    assert {document.groups for document in after} == {("jane@example.com",)}


def test_pages_in_a_folder_of_the_cloud_inherit_through_it():
    with running(FakeCloud) as wiki:
        wiki.access.spaces[HELP] = [JANE, JOHN]
        wiki.access.folders["77"] = "1"
        wiki.put_page("2", space="HELP", title="Below", body="", parent="77")
        wiki.put_page("1", space="HELP", title="Home", body="")
        wiki.access.restrictions["1"] = [JANE]
        assert groups(wiki)[0]["2"] == ("jane@example.com",)

        wiki.access.restrictions["77"] = [JOHN]
        assert groups(wiki)[0]["2"] == ()

        wiki.access.folders.clear()
        assert groups(wiki)[0]["2"] == ()
