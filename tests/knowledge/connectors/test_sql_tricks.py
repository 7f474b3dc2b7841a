"""Statements that look like reading and are not: refused before any server sees them, each in its own tongue."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

import pytest
from pydantic import ValidationError

from knowledge.connectors.sql_database import SqlDatabaseConfig, SqlDatabaseConnector, SqlDatabaseSecrets
from knowledge.connectors.sql_statement import refused_statement
from magnet.errors import ListingFailed

ADDRESSES = {
    "mysql": "mysql://db.example.com/crm",
    "postgresql": "postgresql://db.example.com/crm",
    "sqlite": "sqlite:///srv/crm.db",
}
MYSQL = [
    "select 1 # '\ninto outfile '/tmp/x' #'",
    "select 1 # /*\ninto outfile '/tmp/x' # */",
    "select 1 /*! into outfile '/tmp/x' */",
    "select 1 /*!50000 into outfile '/tmp/x' */",
    "select 1 /*M! into outfile '/tmp/x' */",
    "select 1--1 into outfile '/tmp/x'",
    "select 1 as $$, 2 into outfile '/tmp/x' # $$",
    'select "\\"", 1 into outfile "/tmp/x" # "',
    "select '\\'', 1 into outfile '/tmp/x' -- '",
    "select 1 /* /* */ into outfile '/tmp/x' -- */",
    "select 1 in/**/to, 2 INTO DUMPFILE '/tmp/x'",
    "select 1 into @a",
    "select load_file('/etc/passwd')",
    "select LOAD_FILE /* here */ ('/etc/passwd')",
    "select `load_file`('/etc/passwd')",
    "select sys_exec('id')",
    "select /*+ MAX_EXECUTION_TIME(0) */ 1",
    "select /*+ SET_VAR(sql_mode='ANSI_QUOTES') */ 1",
    "select * from t for update",
    "select 1; drop table t",
    "with a as (select 1) delete from t",
]
POSTGRESQL = [
    "select pg_read_file('/etc/passwd')",
    "select PG_READ_BINARY_FILE('/etc/passwd')",
    "select pg_catalog.pg_ls_dir('/')",
    "select \"pg_read_file\"('/etc/passwd')",
    "select pg_catalog.\"pg_read_file\" /* x */ ('/etc/passwd')",
    "select U&\"\\0070g_read_file\"('/etc/passwd')",
    "select lo_export(16400, '/tmp/x')",
    "select lo_import('/etc/passwd')",
    "select * from dblink('host=evil', 'drop table t') as t(a int)",
    "select set_config('statement_timeout', '0', false)",
    "select query_to_xml('select 1', true, true, '')",
    "select pg_terminate_backend(1)",
    "select a$$, pg_read_file('/etc/passwd') $$",
    "select '\\', pg_read_file('/etc/passwd') --'",
    "select E'a'\n'\\'', '\\', pg_read_file('/etc/passwd') --'",
    "select 1 -- \rinto t",
    "select 1 /* /* */ ' */ into t /* '*/ */",
    "select $1$ into t $1$",
    "select $a$ x $b$ y $a$ into t",
    "with gone as (delete from t returning *) select * from gone",
    "with a as (select 1) insert into t select * from a",
    "select * into t from u",
    "select 1; copy t to program 'sh'",
    "copy t to '/tmp/x'",
    "do $$ begin end $$",
    "explain analyze delete from t",
]
SQLITE = [
    "attach 'other.db' as other",
    "select load_extension('/tmp/x.so')",
    "select \"load_extension\"('/tmp/x.so')",
    "select [load_extension]('/tmp/x.so')",
    "select writefile('/tmp/x', 'y')",
    "select readfile('/etc/passwd')",
    "select fts3_tokenizer('simple')",
    "select [a'b], 1; drop table t -- '",
    "pragma writable_schema = on",
    "select 1; attach 'other.db' as other",
    "with a as (select 1) replace into t select * from a",
]
TRICKS = [(kind, trick) for kind, tricks in (("mysql", MYSQL), ("postgresql", POSTGRESQL), ("sqlite", SQLITE))
          for trick in tricks]  # fmt: skip


def config(kind: str, query: str) -> dict[str, str]:
    return {"address": ADDRESSES[kind], "query": query, "text": "notes"}


@pytest.mark.parametrize(("kind", "trick"), TRICKS)
def test_a_trick_is_refused_with_a_sentence(kind, trick):
    with pytest.raises(ValidationError, match=r"The query (holds|must|calls) "):
        SqlDatabaseConfig.model_validate(config(kind, trick))


@pytest.mark.parametrize(("_kind", "trick"), TRICKS)
def test_where_nobody_knows_the_kind_of_database_it_is_refused_as_well(_kind, trick):
    assert refused_statement(trick)


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("postgresql", "select data #>> '{a,b}' as x, 'insert coin' as y from t"),
        ("postgresql", "select $note$ it's; drop table $note$ as x, E'\\n' as y, '\\\\' as z from t"),
        ("postgresql", "select 1 /* a /* nested */ drop table */ from t"),
        ("postgresql", "select \"update\", lo_total, sleep from t where a ~ 'into'"),
        ("mysql", "select `into`, \"it's; drop\" from t # don't drop it"),
        ("mysql", "select 1 -- don't insert\nfrom t;"),
        ("sqlite", 'select [into], "from", `delete` from t -- drop; it\'s over'),
        ("sqlite", "select replace(title, 'a', 'b') as title from t"),
    ],
)
def test_what_only_reads_passes(kind, query):
    SqlDatabaseConfig.model_validate(config(kind, query))


@pytest.mark.parametrize(
    "trick",
    [
        "select 1 as id, hex(zeroblob(900000000)) as notes",
        "select 1 as id, printf('%900000000d', 1) as notes",
        "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as id, 'x' as notes from n",
        "select 1 as id, sql as notes from pragma_database_list",
    ],
)
def test_a_file_of_sqlite_can_neither_fill_the_memory_nor_run_for_ever(trick, tmp_path, settings):
    settings.FOLDER_ROOTS = [tmp_path]
    sqlite3.connect(tmp_path / "crm.db").execute("create table t (id, notes)").connection.close()
    given = {**config("sqlite", trick), "address": f"sqlite://{tmp_path}/crm.db", "timeout_seconds": 1}

    connector = SqlDatabaseConnector(SqlDatabaseConfig.model_validate(given), SqlDatabaseSecrets())

    with suppress(ListingFailed):
        # What is too large to be made is no text, and a row without one is left out.
        assert list(connector.list({})) == []
