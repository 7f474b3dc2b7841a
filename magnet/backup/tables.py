"""The database of a backup: which tables are ours, their rows as a stream, and a schema made empty and filled again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection
from psycopg import sql

RECORD = "django_migrations"
# What lives for moments, lets somebody in, or is about another server: a restored Magnet begins without it.
WITHOUT_ROWS = {
    "django_session",
    "magnet_workerheartbeat",
    "magnet_limitlease",
    "knowledge_listedname",
    "knowledge_vectorcopy",
    "knowledge_vectorchange",
}
# What migrations fill by themselves.
FILLED_BY_MIGRATIONS = {RECORD, "django_content_type", "auth_permission"}

TABLES = """
select c.relname from pg_class c
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
order by c.relname
"""
# What the database computes is not stored: it would refuse to take it back.
COLUMNS = """
select attname from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum
"""
FUNCTIONS = """
select p.oid::regprocedure::text, p.proname from pg_proc p
where p.pronamespace = current_schema()::regnamespace
  and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
"""
FOREIGN_KEYS = """
select r.relname, c.conname, pg_get_constraintdef(c.oid) from pg_constraint c join pg_class r on r.oid = c.conrelid
where c.contype = 'f' and c.connamespace = current_schema()::regnamespace and c.conparentid = 0
order by r.relname, c.conname
"""
SEQUENCES = "select sequencename, last_value from pg_sequences where schemaname = current_schema()"


def ours() -> list[str]:
    """Magnet's tables; others may share the database."""
    return [name for (name,) in _rows(TABLES) if belongs_to_us(name)]


def belongs_to_us(name: str) -> bool:
    return name.startswith(("django_", *(f"{app.label}_" for app in apps.get_app_configs())))


def columns(table: str) -> list[str]:
    return [name for (name,) in _rows(COLUMNS, [table])]


def migrations() -> list[tuple[str, str]]:
    """What was applied, in order; none in a database without tables."""
    if RECORD not in ours():
        return []
    return [(app, name) for app, name in _rows("select app, name from django_migrations order by id")]


def filled() -> list[str]:
    """The tables that hold what somebody has made."""
    tables = [table for table in ours() if table not in FILLED_BY_MIGRATIONS | WITHOUT_ROWS]
    some = sql.SQL("select from {} limit 1")
    return [table for table in tables if _rows(some.format(sql.Identifier(table)))]


def is_at_work() -> bool:
    """Whether a worker has given a sign of life in the last moments."""
    if "magnet_workerheartbeat" not in ours():
        return False
    return bool(_rows("select from magnet_workerheartbeat where beat_at > now() - interval '20 seconds' limit 1"))


def versions() -> dict[str, str]:
    found = _rows("select current_setting('server_version'), extversion from pg_extension where extname = 'vector'")
    return {"postgresql": found[0][0], "pgvector": found[0][1]} if found else {}


# -- Out -----------------------------------------------------------------------------------------------------------


def read_only_snapshot() -> None:
    """Of the transaction that just began: whatever others write meanwhile, all tables are read as of one moment."""
    _do(sql.SQL("set transaction isolation level repeatable read, read only"))


def rows_of(table: str, names: list[str]) -> Iterator[bytes | memoryview]:
    with connection.cursor() as cursor, cursor.copy(_copy(table, names, sql.SQL("to stdout"))) as copy:
        yield from copy


def sequences() -> dict[str, int]:
    return {name: last for name, last in _rows(SEQUENCES) if last is not None and belongs_to_us(name)}


# -- In ------------------------------------------------------------------------------------------------------------


def drop_all() -> None:
    for table in ours():
        _do(sql.SQL("drop table {} cascade").format(sql.Identifier(table)))
    for signature, name in _rows(FUNCTIONS):
        if belongs_to_us(name):
            _do(sql.SQL("drop function {} cascade").format(sql.SQL(signature)))


def empty_all() -> None:
    names = [sql.Identifier(table) for table in ours() if table != RECORD]
    _do(sql.SQL("truncate {}").format(sql.SQL(", ").join(names)))


@contextmanager
def unguarded() -> Iterator[None]:
    """Without foreign keys and triggers, which are put back at the end: rows come table by table, in any order."""
    _do(sql.SQL("set constraints all immediate"))
    keys = _rows(FOREIGN_KEYS)
    for table, name, _definition in keys:
        _alter(table, sql.SQL("drop constraint {}").format(sql.Identifier(name)))
    for table in ours():
        _alter(table, sql.SQL("disable trigger user"))
    yield
    for table in ours():
        _alter(table, sql.SQL("enable trigger user"))
    for table, name, definition in keys:
        _alter(table, sql.SQL("add constraint {} {}").format(sql.Identifier(name), sql.SQL(definition)))
    _do(sql.SQL("set constraints all deferred"))


@contextmanager
def filling(table: str, names: list[str]) -> Iterator[Any]:
    """A COPY into the table; blocks of its text are written to it."""
    with connection.cursor() as cursor, cursor.copy(_copy(table, names, sql.SQL("from stdin"))) as copy:
        yield copy


def set_sequences(last: dict[str, int]) -> None:
    known = {name for name, _last in _rows(SEQUENCES)}
    for name, value in last.items():
        if name in known:
            _rows("select setval(quote_ident(%s)::regclass, %s)", [name, value])


def wait_at_most(seconds: int) -> None:
    """For locks, in this transaction: whoever still uses the database would stop everything without a word."""
    _rows("select set_config('lock_timeout', %s, true)", [f"{seconds}s"])


def analyze() -> None:
    """Without figures about what is in the tables, the first questions are answered slowly."""
    for table in ours():
        _do(sql.SQL("analyze {}").format(sql.Identifier(table)))


def _copy(table: str, names: list[str], direction: sql.SQL) -> sql.Composed:
    listed = sql.SQL(", ").join(map(sql.Identifier, names))
    return sql.SQL("copy {} ({}) {}").format(sql.Identifier(table), listed, direction)


def _alter(table: str, change: sql.Composable) -> None:
    _do(sql.SQL("alter table {} {}").format(sql.Identifier(table), change))


def _do(statement: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _rows(statement: str | sql.Composable, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
