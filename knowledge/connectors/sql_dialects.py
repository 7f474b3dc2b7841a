"""Databases as sources: rows of one query, streamed, in a transaction that can only read."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal, cast
from urllib.parse import unquote, urlsplit

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field

from knowledge.connectors.folder import is_open_to_us
from knowledge.connectors.sql_statement import Condition, Spelling
from magnet.errors import AddressRefused, ListingFailed, NotConfigured
from magnet.outbound.addresses import allowed_addresses, refuse_disguised

CONNECT_SECONDS = 10
ROWS_AT_ONCE = 200
# A host with many dead addresses must not cost one time-out each.
ADDRESSES_TO_TRY = 3
# Where no file can ever be.
NO_FILE = f"{os.devnull}/none"
Encryption = Literal["when_offered", "always", "verified", "off"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Login:
    """Where a database is, and who asks. `database` is its name, or the path of a file."""

    host: str
    port: int
    database: str
    user: str = ""
    password: str = field(default="", repr=False)
    encryption: Encryption = "when_offered"
    timeout_seconds: int = 60


class Dialect(ABC):
    """One kind of database. Whatever its driver raises becomes a SourceError."""

    label: ClassVar[str]
    spelling: ClassVar[Spelling]
    port: ClassVar[int] = 0

    def __init__(self, login: Login) -> None:
        self.login = login

    @abstractmethod
    def rows(self, statement: str, *, condition: Condition | None = None, limit: int | None = None) -> Iterator[Row]:
        """Stream the rows, by the names of their columns; never more than some hundred are held."""

    def addresses(self) -> list[str]:
        """The addresses of the host that may be dialled, each of them checked."""
        try:
            return allowed_addresses(self.login.host, port=self.login.port)[:ADDRESSES_TO_TRY]
        except AddressRefused as error:
            raise ListingFailed(error.detail) from error
        except OSError as error:
            raise ListingFailed(f"The host name {self.login.host} cannot be found. Check the address.") from error

    def unreachable(self, said: object) -> ListingFailed:
        where = f"{self.login.host}:{self.login.port}" if self.login.host else self.login.database
        return ListingFailed(
            f"{self.label} at {where} cannot be opened: {one_line(said)}. Check the address, the user name and the "
            "password. Nothing was deleted."
        )

    def refused(self, said: object) -> ListingFailed:
        return ListingFailed(f"{self.label} did not run the query to its end: {one_line(said)}. Nothing was deleted.")

    def too_slow(self) -> ListingFailed:
        return ListingFailed(
            f"{self.label} took longer than {self.login.timeout_seconds} seconds. Nothing was deleted. Simplify the "
            "query, add an index, or allow more time."
        )


class PostgreSQL(Dialect):
    label: ClassVar[str] = "PostgreSQL"
    spelling: ClassVar[Spelling] = Spelling(kind="postgresql", quote='"', placeholder="%s")
    port: ClassVar[int] = 5432
    MODES: ClassVar[dict[Encryption, str]] = {
        "when_offered": "prefer",
        "always": "require",
        "verified": "verify-full",
        "off": "disable",
    }

    def rows(self, statement: str, *, condition: Condition | None = None, limit: int | None = None) -> Iterator[Row]:
        import psycopg

        text, values = self.spelling.narrowed(statement, condition, limit)
        try:
            with closing(self._connection()) as connection, connection.transaction():
                milliseconds = str(self.login.timeout_seconds * 1000)
                connection.execute("select set_config('statement_timeout', %s, true)", [milliseconds])
                # A cursor on the server: it takes nothing but one reading query, and hands out rows in portions.
                with connection.cursor(name="magnet_listing") as cursor:
                    cursor.itersize = ROWS_AT_ONCE
                    cursor.execute(text, values or None)
                    yield from cursor
        except psycopg.errors.QueryCanceled as error:
            raise self.too_slow() from error
        except psycopg.Error as error:
            raise self.refused(error) from error

    def _connection(self) -> Any:
        import psycopg
        from psycopg.rows import dict_row

        addresses, login = self.addresses(), self.login
        try:
            connection = psycopg.connect(
                # The addresses were checked; the names are for the certificate.
                hostaddr=",".join(addresses),
                host=",".join([login.host] * len(addresses)),
                port=login.port,
                dbname=login.database,
                user=login.user,
                password=login.password,
                sslmode=self.MODES[login.encryption],
                sslrootcert="system" if login.encryption == "verified" else None,
                # The server's own user must not lend a password that stands in its home.
                passfile=NO_FILE,
                gssencmode="disable",
                connect_timeout=CONNECT_SECONDS,
                application_name="Magnet",
                row_factory=dict_row,
            )
        except psycopg.Error as error:
            raise self.unreachable(error) from error
        connection.read_only = True
        return connection


class MySQL(Dialect):
    label: ClassVar[str] = "MySQL"
    spelling: ClassVar[Spelling] = Spelling(kind="mysql", quote="`", placeholder="%s")
    port: ClassVar[int] = 3306
    UNKNOWN_VARIABLE: ClassVar[int] = 1193
    # Of MySQL (ER_QUERY_TIMEOUT) and MariaDB (ER_STATEMENT_TIMEOUT).
    TIMED_OUT: ClassVar[set[int]] = {3024, 1969}

    def rows(self, statement: str, *, condition: Condition | None = None, limit: int | None = None) -> Iterator[Row]:
        driver = self._driver()
        text, values = self.spelling.narrowed(statement, condition, limit)
        try:
            with closing(self._connection(driver)) as connection, closing(connection.cursor()) as cursor:
                self._limit(cursor, driver)
                # The session first: whatever ends the transaction, nothing is written after it.
                cursor.execute("set session transaction read only")
                cursor.execute("start transaction read only")
                cursor.execute(text, values or None)
                yield from cursor
        except driver.MySQLError as error:
            if error.args and error.args[0] in self.TIMED_OUT:
                raise self.too_slow() from error
            raise self.refused(error.args[-1] if error.args else error) from error

    def _driver(self) -> ModuleType:
        try:
            import pymysql
            import pymysql.cursors
        except ImportError as error:
            raise NotConfigured(
                "To read MySQL, a package must be added: pip install -r requirements-extras.txt (PyMySQL)."
            ) from error
        return cast(ModuleType, pymysql)

    def _connection(self, driver: ModuleType) -> Any:
        login = self.login
        connection = driver.connect(
            host=login.host,
            port=login.port,
            user=login.user,
            password=login.password,
            database=login.database,
            charset="utf8mb4",
            cursorclass=driver.cursors.SSDictCursor,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=login.timeout_seconds + CONNECT_SECONDS,
            ssl=self._tls(),
            ssl_disabled=login.encryption == "off" or None,
            local_infile=False,
            defer_connect=True,
        )
        try:
            connection.connect(sock=self._socket())
        except (OSError, driver.MySQLError) as error:
            raise self.unreachable(error.args[-1] if error.args else error) from error
        return connection

    def _tls(self) -> Any:
        import ssl

        from magnet.outbound.transport import trusted_authorities

        if self.login.encryption == "verified":
            return trusted_authorities()
        if self.login.encryption != "always":
            return None
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def _socket(self) -> socket.socket:
        """Dialled here, because the driver would look the name up again."""
        failure: OSError | None = None
        for address in self.addresses():
            try:
                return socket.create_connection((address, self.login.port), CONNECT_SECONDS)
            except OSError as error:
                failure = error
        raise failure or OSError("the host has no address")

    def _limit(self, cursor: Any, driver: ModuleType) -> None:
        try:
            cursor.execute("set session max_execution_time = %s", [self.login.timeout_seconds * 1000])
        except driver.MySQLError as error:
            if error.args[0] != self.UNKNOWN_VARIABLE:
                raise
            cursor.execute("set session max_statement_time = %s", [self.login.timeout_seconds])  # MariaDB's name


class SQLite(Dialect):
    label: ClassVar[str] = "SQLite"
    spelling: ClassVar[Spelling] = Spelling(kind="sqlite", quote='"', placeholder="?")
    # SQLite looks at the clock after so many of its small steps.
    STEPS: ClassVar[int] = 10_000
    LARGEST_VALUE: ClassVar[int] = 64 * 1024 * 1024
    READING: ClassVar[set[int]] = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33}

    def rows(self, statement: str, *, condition: Condition | None = None, limit: int | None = None) -> Iterator[Row]:
        text, values = self.spelling.narrowed(statement, condition, limit)
        try:
            with closing(self._connection()) as connection:
                cursor = connection.execute(text, values)
                names = [column[0] for column in cursor.description or ()]
                while batch := cursor.fetchmany(ROWS_AT_ONCE):
                    yield from (dict(zip(names, row, strict=True)) for row in batch)
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise self.too_slow() from error
            raise self.refused(error) from error
        except sqlite3.Error as error:
            raise self.refused(error) from error

    def _connection(self) -> sqlite3.Connection:
        file = opened_file(self.login.database)
        try:
            connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=CONNECT_SECONDS)
            connection.execute("pragma query_only = on")
            # Views of a file that somebody else has made call no function that could do harm.
            connection.execute("pragma trusted_schema = off")
        except sqlite3.Error as error:
            raise self.unreachable(error) from error
        # One expression must not fill the memory.
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self.LARGEST_VALUE)
        connection.set_authorizer(self._may)
        deadline = time.monotonic() + self.login.timeout_seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, self.STEPS)
        return connection

    def _may(self, action: int, first: str | None, second: str | None, *_: object) -> int:
        """Reading only; other files, extensions and settings stay out of reach."""
        name = (second or "").lower()
        is_allowed = action in self.READING and not (action == sqlite3.SQLITE_FUNCTION and name == "load_extension")
        return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY


class OfDatabase(BaseModel):
    """The fields with which every connector is told where a database is and who asks."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    address: str = Field(
        title="Address of the database",
        min_length=1,
        description="Such as postgresql://db.example.com:5432/crm, mysql://db.example.com/crm, or sqlite:///srv/crm.db "
        "below a folder that the operator has opened.",
    )
    user: str = Field(default="", title="User name", description="Best one that may only read.")
    encryption: Encryption = Field(
        default="when_offered", title="Encryption", description="“verified” also checks the server's certificate."
    )

    def dialect(self, *, password: str, timeout_seconds: int) -> Dialect:
        return dialect_at(
            self.address,
            user=self.user,
            password=password,
            encryption=self.encryption,
            timeout_seconds=timeout_seconds,
        )


DIALECTS: dict[str, type[Dialect]] = {
    "postgresql": PostgreSQL,
    "postgres": PostgreSQL,
    "mysql": MySQL,
    "mariadb": MySQL,
    "sqlite": SQLite,
}


def kind_at(address: str) -> str:
    """The kind of database that an address names; nothing where it names none."""
    kind = DIALECTS.get(urlsplit(address.strip()).scheme)
    return kind.spelling.kind if kind else ""


def dialect_at(address: str, *, user: str, password: str, encryption: Encryption, timeout_seconds: int) -> Dialect:
    """The database at an address such as postgresql://db.example.com:5432/crm; SourceError where it is none."""
    parts = urlsplit(address.strip())
    kind = DIALECTS.get(parts.scheme)
    try:
        port = parts.port
    except ValueError:
        kind, port = None, None
    if kind is None or not parts.path.strip("/") or parts.query or parts.fragment:
        raise ListingFailed(
            f"{address!r} is no address of a database. Write it like postgresql://db.example.com:5432/crm, "
            "mysql://db.example.com/crm or sqlite:///srv/data/crm.db."
        )
    if "@" in parts.netloc:
        raise ListingFailed("The address holds a user name. Enter user name and password in their own fields.")
    database, host = unquote(parts.path), parts.hostname or ""
    if kind is SQLite:
        database, host = "/" + database.lstrip("/"), ""
    else:
        database = database.strip("/")
        if not host or "," in host or host.startswith("/"):
            raise ListingFailed(f"{address!r} names no host. Write it like postgresql://db.example.com:5432/crm.")
        refuse_disguised(host)
    return kind(Login(host, port or kind.port, database, user, password, encryption, timeout_seconds))


def opened_file(said: str) -> Path:
    """A file below the folders that the operator has opened, as it is after all links."""
    try:
        file = Path(said).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise ListingFailed(f"The file {said} cannot be opened. Is the path right, and is it mounted?") from error
    if not is_open_to_us(file):
        roots: Sequence[Path] = settings.FOLDER_ROOTS
        raise ListingFailed(
            f"The file {said} is not below a folder that the operator has opened. Choose one below "
            f"{', '.join(map(str, roots)) or '(none)'}, or add its folder to MAGNET_FOLDER_ROOTS."
        )
    if not file.is_file():
        raise ListingFailed(f"{said} is no file.")
    return file


def one_line(said: object) -> str:
    return " ".join(str(said).split())[:500].rstrip(".")
