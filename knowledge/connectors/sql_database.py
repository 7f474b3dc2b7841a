"""Rows of any PostgreSQL, MySQL or SQLite database: one SELECT, one document for each row."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from knowledge.connectors.base import KEEP_THE_REST, Connector, Content, Gone, ListingItem, RemoteDocument
from knowledge.connectors.sql_dialects import Dialect, OfDatabase, kind_at
from knowledge.connectors.sql_rows import Mapped, Row, is_filled, name_of
from knowledge.connectors.sql_statement import MAX_LENGTH, Condition, refused_statement
from magnet.errors import FetchFailed, ListingFailed, SourceError

# A change may be committed after a later one was seen: what is as old as this is looked at again.
OVERLAP = timedelta(minutes=10)
ROWS_TO_TRY = 3
MARKERS: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "decimal": Decimal,
    "int": int,
    "float": float,
    "str": str,
}


class SqlDatabaseConfig(OfDatabase):
    query: str = Field(
        title="Query",
        min_length=1,
        max_length=MAX_LENGTH,
        description="One SELECT (or WITH … SELECT) that returns a row for each document.",
    )
    id_column: str = Field(default="id", title="Column of the id", description="Unique and lasting.")
    text: str = Field(
        title="Text",
        min_length=1,
        max_length=5_000,
        description="A column, or a text with columns in braces, such as: Question: {question} Answer: {answer}",
    )
    text_format: Literal["text", "markdown", "html"] = Field(default="text", title="Format of the text")
    title: str = Field(default="", title="Title", description="A column, or a text with {columns}.")
    url: str = Field(
        default="", title="Link", description="A column, or such as https://crm.example.com/articles/{id}."
    )
    metadata_columns: list[str] = Field(default=[], title="Columns to filter by", description="Kept as metadata.")
    groups_column: str = Field(
        default="",
        title="Column of the groups",
        description="An array, or names with commas, of who may read the row. Where it is empty, nobody may.",
    )
    changed_column: str = Field(
        default="",
        title="Column of the last change",
        description="Such as updated_at, or a number that grows. With it, only changed rows are read. Empty: all rows.",
    )
    deleted_column: str = Field(
        default="",
        title="Column of the deletion",
        description="Such as deleted_at or is_deleted: a row in which it is filled counts as deleted.",
    )
    complete_every_hours: int = Field(
        default=24,
        ge=0,
        le=24 * 31,
        title="Read all rows at least every … hours",
        description="Only that finds rows that were removed from the database. 0: at every sync.",
    )
    timeout_seconds: int = Field(default=60, ge=1, le=3_600, title="Longest time for the query, in seconds")

    @field_validator("query")
    @classmethod
    def is_one_reading_statement(cls, value: str, info: ValidationInfo) -> str:
        if refusal := refused_statement(value, kind_at(str(info.data.get("address", "")))):
            raise ValueError(refusal)
        return value


class SqlDatabaseSecrets(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: SecretStr = Field(default=SecretStr(""), title="Password")


class SqlDatabaseConnector(Connector):
    """Lists with the content of each row, because the query has brought it anyway.

    With a column of the last change, a listing names only the rows since the last one, and once in a while all of
    them. `state` holds that column's highest value (`since`), and when all rows were read (`complete_at`).
    """

    label: ClassVar[str] = "SQL database"
    description: ClassVar[str] = "Rows of PostgreSQL, MySQL or SQLite, by a SELECT of your own."
    Config: ClassVar[type[BaseModel]] = SqlDatabaseConfig
    Secrets: ClassVar[type[BaseModel]] = SqlDatabaseSecrets
    config: SqlDatabaseConfig

    @classmethod
    def prove(cls, config: SqlDatabaseConfig) -> None:
        dialect_of(config, password="")

    def check(self) -> str:
        rows = list(islice(self._dialect().rows(self.config.query, limit=ROWS_TO_TRY), ROWS_TO_TRY))
        if not rows:
            return "The database answers, but the query returns no rows."
        for column in filter(None, (self.config.changed_column, self.config.deleted_column)):
            name_of(column, rows[0])
        found = [document for document in map(self._mapped().document, rows) if document]
        if not found:
            raise ListingFailed("The first rows have no id or no text. Correct the columns, or the query.")
        first = found[0]
        return f"The query works. Its first document is “{first.title or first.remote_id}”."

    def list(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        started, since = time.time(), self._since(time.time())
        highest, left_out = since, 0
        if since is not None:
            yield KEEP_THE_REST
        for row in self._dialect().rows(self.config.query, condition=self._newer_than(since)):
            highest = self._higher(highest, row)
            item = self._item(row)
            left_out += item is None or isinstance(item, Gone)
            if isinstance(item, RemoteDocument) or (isinstance(item, Gone) and since is not None):
                yield item
        self._remember(highest, left_out=left_out, complete_at=started if since is None else None)

    def fetch(self, document: RemoteDocument) -> Content:
        try:
            dialect = self._dialect()
            first = next(dialect.rows(self.config.query, limit=1), None)
            column = name_of(self.config.id_column, first or {self.config.id_column: ""})
            condition = Condition(column, "=", like(document.remote_id, first[column] if first else ""))
            row = next(dialect.rows(self.config.query, condition=condition, limit=1), None)
            found = self._mapped().document(row) if row else None
        except SourceError as error:
            raise FetchFailed(error.detail) from error
        if found is None or found.content is None:
            raise FetchFailed(f"The row {document.remote_id} is no longer returned by the query. Sync again.")
        return found.content

    def _dialect(self) -> Dialect:
        return dialect_of(self.config, password=self.secrets.password.get_secret_value() if self.secrets else "")

    def _mapped(self) -> Mapped:
        config = self.config
        return Mapped(
            id=config.id_column,
            text=config.text,
            title=config.title,
            url=config.url,
            metadata=config.metadata_columns,
            groups=config.groups_column,
            text_format=config.text_format,
        )

    def _item(self, row: Mapping[str, Any]) -> RemoteDocument | Gone | None:
        """What a row says: a document, that there is none any more, or nothing at all (no id)."""
        deleted = self.config.deleted_column
        document = None if deleted and is_filled(Row(row).value(deleted)) else self._mapped().document(row)
        if document is not None:
            return document
        remote_id = self._mapped().remote_id(row)
        return Gone(remote_id) if remote_id else None

    # -- Only what changed --------------------------------------------------------------------------------------

    def _since(self, now: float) -> Any:
        """The value from which rows are read; None where all of them are."""
        kept, complete_at = self.state.get("since"), self.state.get("complete_at")
        if not self.config.changed_column or not kept or complete_at is None:
            return None
        # A clock that was set back must not put the complete listing off.
        if not 0 <= now - complete_at < self.config.complete_every_hours * 3600:
            return None
        kind, value = kept
        return MARKERS[kind](value)

    def _newer_than(self, since: Any) -> Condition | None:
        if since is None:
            return None
        start = since - OVERLAP if isinstance(since, datetime) else since
        return Condition(self.state.get("changed_column") or self.config.changed_column, ">=", start)

    def _higher(self, highest: Any, row: Mapping[str, Any]) -> Any:
        if not self.config.changed_column:
            return None
        column = name_of(self.config.changed_column, row)
        self.state["changed_column"] = column
        value = row[column]
        if value is None or is_in_the_future(value):
            return highest
        try:
            return value if highest is None or value > highest else highest
        except TypeError as error:
            raise ListingFailed(
                f"The column “{column}” holds values that cannot be compared ({value!r} and {highest!r}). Name a "
                "column of times or of numbers as the last change."
            ) from error

    def _remember(self, highest: Any, *, left_out: int, complete_at: float | None) -> None:
        self.state.pop("notice", None)
        if left_out:
            self.state["notice"] = f"Left out {left_out:,} rows: without an id or a text, or marked as deleted."
        if complete_at is not None:
            self.state["complete_at"] = complete_at
        kept = kept_marker(highest)
        if kept:
            self.state["since"] = kept
        elif complete_at is not None:
            self.state.pop("since", None)


def dialect_of(config: SqlDatabaseConfig, *, password: str) -> Dialect:
    return config.dialect(password=password, timeout_seconds=config.timeout_seconds)


def is_in_the_future(value: Any) -> bool:
    """A wrong date far ahead would hide every change until then."""
    return isinstance(value, datetime) and value > datetime.now(value.tzinfo) + timedelta(days=1)


def like(remote_id: str, sample: Any) -> Any:
    """An id as the column's own kind of value."""
    if isinstance(sample, int) and remote_id.lstrip("-").isdecimal():
        return int(remote_id)
    return remote_id


def kept_marker(value: Any) -> list[str] | None:
    """The highest value as JSON can keep it; None for a kind that cannot be asked for again."""
    for kind, example in (("datetime", datetime), ("date", date), ("decimal", Decimal), ("int", int), ("float", float)):
        if isinstance(value, example):
            return [kind, value.isoformat() if isinstance(value, date) else str(value)]
    return ["str", value] if isinstance(value, str) else None
