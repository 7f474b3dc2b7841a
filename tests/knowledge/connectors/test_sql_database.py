"""A table as a knowledge source: every row once, only what changed, and never a write."""

from __future__ import annotations

import sqlite3

import pytest
from django.db import connection
from pydantic import ValidationError

from knowledge.connectors.base import KEEP_THE_REST, Gone, RemoteDocument
from knowledge.connectors.sql_database import SqlDatabaseConfig, SqlDatabaseConnector, SqlDatabaseSecrets
from knowledge.connectors.sql_statement import refused_statement
from knowledge.models import Chunk, Document
from magnet.errors import FetchFailed, ListingFailed
from tests import factories
from tests.knowledge.connectors.loopback_postgres import at_the_loopback

NAMES = [
    "Zoë Müller",
    "Владимир Ильин",
    "王小明",
    "محمد علي",
    "דוד כהן",
    "สมชาย ใจดี",
    "Ólafur Ætt",
    "Nguyễn Ân",
    "🦊 O'Neill %s",
]


@pytest.fixture
def people(transactional_db):
    """A customer's table, with names in every script."""
    with connection.cursor() as cursor:
        cursor.execute("drop table if exists crm_people")
        cursor.execute(
            'create table crm_people (id int primary key, "Full Name" text, notes text, country text, team text[],'
            " removed boolean default false, updated_at timestamptz default now() - interval '1 day')"
        )
        for number, name in enumerate(NAMES, start=1):
            row = [number, name, f"{name} looks after the account of customer {number}.", "LV", ["sales"]]
            cursor.execute(
                'insert into crm_people (id, "Full Name", notes, country, team) values (%s,%s,%s,%s,%s)', row
            )
    with at_the_loopback() as address:
        yield address
    with connection.cursor() as cursor:
        cursor.execute("drop table if exists crm_people")


def execute(statement, values=None):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def config(address, **fields):
    usual = {
        "address": address,
        "user": "postgres",
        "query": "select * from crm_people -- everybody;\n;",
        "text": "notes",
        "title": "full name",
        "url": "https://crm.example.com/people/{id}?name={full name}",
        "metadata_columns": ["country"],
    }
    return {**usual, **fields}


def database(address, *, state=None, **fields):
    settings = SqlDatabaseConfig(**config(address, **fields))
    return SqlDatabaseConnector(settings, SqlDatabaseSecrets(password="secret"), state=state)


def listed(connector):
    return list(connector.list({}))


def ids(items):
    return [item.remote_id for item in items if isinstance(item, RemoteDocument)]


def test_every_row_is_a_document_in_every_script(people):
    documents = listed(database(people, groups_column="team"))

    assert [document.title for document in documents] == NAMES
    assert ids(documents) == [str(number) for number in range(1, len(NAMES) + 1)]
    first = documents[0]
    assert first.content.body.decode() == "Zoë Müller looks after the account of customer 1."
    assert first.url == "https://crm.example.com/people/1?name=Zo%C3%AB%20M%C3%BCller"
    assert (first.metadata, first.groups) == ({"country": "LV"}, ("sales",))
    assert database(people).fetch(documents[2]) == documents[2].content
    assert "Zoë Müller" in database(people).check()


def test_a_text_can_be_put_together_from_columns(people):
    (first, *_) = listed(database(people, text="# {FULL NAME}\n\n{notes} {country}", text_format="markdown"))

    assert first.content.body.decode().startswith("# Zoë Müller\n\nZoë")
    assert first.media_type == "text/markdown"


def test_who_may_read_a_row_fails_closed(people):
    execute("update crm_people set team = null where id = 1")

    (first, second, *_) = listed(database(people, groups_column="team", query="select * from crm_people order by id"))

    assert (first.groups, second.groups) == ((), ("sales",))


def test_the_second_listing_reads_only_what_changed_and_a_complete_one_finds_the_rest(people):
    fields = {"changed_column": "UPDATED_AT", "deleted_column": "removed"}
    first = database(people, **fields)
    assert len(ids(listed(first))) == len(NAMES)
    execute("update crm_people set notes = 'New notes.', updated_at = now() where id = 2")
    execute("update crm_people set removed = true, updated_at = now() where id = 3")
    execute("delete from crm_people where id = 4")
    execute("update crm_people set updated_at = now() - interval '2 days' where id > 4 or id = 1")

    second = database(people, state=first.state, **fields)
    items = listed(second)

    assert items[0] is KEEP_THE_REST
    assert ids(items) == ["2"]
    assert [item for item in items if isinstance(item, Gone)] == [Gone("3")]
    # Once a day, all rows are read: that is how the row without a trace is missed.
    state = {**second.state, "complete_at": second.state["complete_at"] - 25 * 3600}
    complete = listed(database(people, state=state, **fields))
    assert KEEP_THE_REST not in complete
    assert sorted(ids(complete)) == ["1", "2", "5", "6", "7", "8", "9"]


def test_a_date_far_ahead_does_not_hide_later_changes(people):
    execute("update crm_people set updated_at = '2999-01-01' where id = 1")
    first = database(people, changed_column="updated_at")
    listed(first)
    execute("update crm_people set updated_at = now() - interval '2 days' where id > 2")
    execute("update crm_people set notes = 'New', updated_at = now() where id = 2")

    assert ids(listed(database(people, changed_column="updated_at", state=first.state))) == ["1", "2"]


def test_rows_without_text_are_left_out_and_counted(people):
    execute("update crm_people set notes = ' ' where id = 1")
    connector = database(people)

    assert "1" not in ids(listed(connector))
    assert connector.state["notice"].startswith("Left out 1 rows")


def test_a_listing_that_breaks_off_deletes_nothing(people):
    broken = "select *, 1 / (6 - id) as share from crm_people order by id"

    with pytest.raises(ListingFailed, match=r"did not run the query to its end: division by zero.*Nothing was deleted"):
        listed(database(people, query=broken))
    with pytest.raises(ListingFailed, match=r"no column named “surname”.* It returns: id, Full Name"):
        listed(database(people, title="surname"))
    with pytest.raises(ListingFailed, match="longer than 1 seconds"):
        listed(database(people, query="select *, pg_sleep(5) from crm_people", timeout_seconds=1))


def test_a_row_that_went_away_cannot_be_fetched(people):
    with pytest.raises(FetchFailed, match="The row 77 is no longer returned"):
        database(people).fetch(RemoteDocument("77"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("delete from crm_people", "must begin with SELECT"),
        ("select 1; drop table crm_people", "more than one statement"),
        ("with gone as (delete from crm_people returning *) select * from gone", "DELETE, but Magnet only reads"),
        ("select * into copied from crm_people", "INTO, but Magnet only reads"),
        ("select 1 /*! ; drop table crm_people */", "MySQL would run"),
        ("/* select */ update crm_people set notes = ''", "must begin with SELECT"),
    ],
)
def test_anything_but_one_reading_statement_is_refused_when_it_is_saved(query, said):
    with pytest.raises(ValidationError, match=said):
        SqlDatabaseConfig(**config("postgresql://db.example.com/crm", query=query))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 'delete; insert' as text, \"update\" from t;",
        "with a as (select 1) select * from a -- drop it;",
        "select $$; drop table x$$, updated_at, deleted from t",
    ],
)
def test_words_in_texts_and_comments_are_no_orders(query):
    assert refused_statement(query, "postgresql") == ""


def test_what_slips_through_is_held_by_the_read_only_transaction(people):
    execute("create or replace function sneak() returns int language sql as 'delete from crm_people returning id'")

    with pytest.raises(ListingFailed, match="read-only transaction"):
        listed(database(people, query="select sneak() as id, 'x' as notes, '' as \"Full Name\", '' as country"))

    assert len(ids(listed(database(people)))) == len(NAMES)


def test_private_hosts_and_wrong_addresses_are_refused(people, settings):
    settings.ALLOWED_PRIVATE_HOSTS = []
    with pytest.raises(ListingFailed, match="MAGNET_ALLOWED_PRIVATE_HOSTS"):
        listed(database(people))
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    for address in ("crm", "oracle://db/crm", "postgresql:///crm", "postgresql://me:pw@db/crm", "postgresql://a,b/crm"):
        with pytest.raises(ListingFailed):
            SqlDatabaseConnector.prove(SqlDatabaseConfig(**config(address)))
    with pytest.raises(ListingFailed, match=r"PostgreSQL at 127.0.0.1:1 cannot be opened") as caught:
        listed(database("postgresql://127.0.0.1:1/crm"))
    assert "secret" not in caught.value.detail


# -- SQLite ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path, settings):
    settings.FOLDER_ROOTS = [tmp_path / "open"]
    (tmp_path / "open").mkdir()
    for name in ("open/shelf ü?.db", "closed.db"):
        with sqlite3.connect(tmp_path / name) as made:
            made.execute("create table books (id integer primary key, title text, summary text, revision int)")
            rows = [(number, name, f"A book about {name} and 100 %.", number) for number, name in enumerate(NAMES, 1)]
            made.executemany("insert into books values (?, ?, ?, ?)", rows)
        made.close()
    return tmp_path / "open" / "shelf ü?.db"


def books(file, *, state=None, **fields):
    usual = {"address": f"sqlite://{str(file).replace('?', '%3F')}", "text": "summary", "title": "title"}
    usual["query"] = "select * from books where summary like '%book%'"
    return SqlDatabaseConnector(SqlDatabaseConfig(**{**usual, **fields}), None, state=state)


def test_a_file_of_sqlite_is_read_by_its_growing_number(shelf):
    first = books(shelf, changed_column="revision")
    documents = listed(first)
    assert [document.title for document in documents] == NAMES
    with sqlite3.connect(shelf) as made:
        made.execute("update books set summary = 'A new book.', revision = 100 where id = 3")
    made.close()

    items = listed(books(shelf, changed_column="revision", state=first.state))

    assert items[0] is KEEP_THE_REST
    assert ids(items) == ["3", "9"]
    assert books(shelf).fetch(documents[4]) == documents[4].content


def test_a_file_of_sqlite_outside_the_opened_folders_stays_closed(shelf):
    closed = shelf.parent.parent / "closed.db"
    (shelf.parent / "link.db").symlink_to(closed)

    for address in (closed, shelf.parent / "link.db", shelf.parent / "../closed.db"):
        with pytest.raises(ListingFailed, match="not below a folder that the operator has opened"):
            listed(books(address))
    with pytest.raises(ListingFailed, match="cannot be opened"):
        listed(books(shelf.parent / "none.db"))


def test_sqlite_can_neither_write_nor_run_for_ever(shelf):
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as id from n"
    with pytest.raises(ListingFailed, match="longer than 1 seconds"):
        listed(books(shelf, query=endless, timeout_seconds=1, text="id", title=""))
    with pytest.raises(ListingFailed, match="not authorized"):
        # As if the check of the words had been outwitted.
        list(books(shelf)._dialect().rows("select load_extension('x') as id"))


# -- MySQL -------------------------------------------------------------------------------------------------------


def test_mysql_says_what_to_install(monkeypatch):
    import sys

    from magnet.errors import NotConfigured

    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(NotConfigured, match=r"pip install -r requirements-extras.txt"):
        listed(database("mysql://db.example.com/crm"))


# -- Through a sync ------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_syncs_bring_a_table_up_to_date(people, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    source = factories.source("crm", connector="sql_database", config=config(people), deletion_guard_percent=50)
    receipt = factories.sync_now(source).receipt
    assert (receipt["seen"], receipt["live"], receipt["added"]) == (9, 9, 9)
    execute("update crm_people set notes = 'Владимир has left.' where id = 2")
    execute("delete from crm_people where id = 9")

    receipt = factories.sync_now(source).receipt

    assert (receipt["seen"], receipt["live"]) == (8, 8)
    assert (receipt["changed"], receipt["unchanged"], receipt["deleted"]) == (1, 7, 1)
    assert Document.objects.get(remote_id="2").text == "Владимир has left."
    assert Chunk.objects.filter(text__contains="王小明").count() == 1
    assert not Chunk.objects.filter(text__contains="O'Neill").exists()
