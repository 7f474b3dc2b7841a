"""MySQL and MariaDB as knowledge sources: read only, for a limited time, rows in every script."""

from __future__ import annotations

import pytest

from knowledge.connectors.sql_database import SqlDatabaseConfig, SqlDatabaseConnector, SqlDatabaseSecrets
from magnet.errors import ListingFailed
from tests.knowledge.connectors.fakes.mysql import FakeMySQL


@pytest.fixture
def server():
    server = FakeMySQL(["id", "notes"], [["1", "Größe 王小明"], ["2", "100 % מבחן"]])
    yield server
    server.close()


def database(server, **fields):
    address = f"mysql://127.0.0.1:{server.port}/crm"
    query = "select * from people where notes like '%e%';"
    config = SqlDatabaseConfig(address=address, user="reader", query=query, text="notes", **fields)
    return SqlDatabaseConnector(config, SqlDatabaseSecrets(password="secret"))


def test_rows_are_read_in_a_transaction_that_only_reads(server):
    documents = list(database(server).list({}))

    assert [document.content.body.decode() for document in documents] == ["Größe 王小明", "100 % מבחן"]
    asked = [
        statement for statement in server.statements if not statement.lower().startswith(("set names", "set auto"))
    ]
    assert asked[-4:] == [
        "set session max_execution_time = 60000",
        "set session transaction read only",
        "start transaction read only",
        "select * from people where notes like '%e%'",
    ]


def test_one_row_is_asked_for_by_its_id(server):
    connector = database(server)
    (document, _) = connector.list({})

    assert connector.fetch(document).body == document.content.body
    assert server.statements[-1].startswith("select * from (select * from people where notes like '%e%'\n) magnet_rows")
    assert server.statements[-1].endswith("where `id` = '1' limit 1")


def test_mariadb_has_another_name_for_the_limit_of_time(server):
    server.errors["max_execution_time"] = (1193, "Unknown system variable 'max_execution_time'")

    assert len(list(database(server).list({}))) == 2
    assert "set session max_statement_time = 60" in server.statements


@pytest.mark.parametrize(
    ("code", "said"),
    [(3024, "took longer than 60 seconds"), (1146, r"did not run the query to its end: No such table")],
)
def test_what_mysql_refuses_deletes_nothing(server, code, said):
    server.errors["select * from people"] = (code, "No such table")

    with pytest.raises(ListingFailed, match=f"{said}.*Nothing was deleted"):
        list(database(server).list({}))


def test_a_server_that_is_not_there_is_told(server):
    server.port = 1

    with pytest.raises(ListingFailed, match=r"MySQL at 127.0.0.1:1 cannot be opened"):
        database(server).check()
