"""Writes traces in batches, off the request path. A request never waits for it and never fails because of it.

One thread per process, started with the first trace, after any fork. It holds a connection only while it writes.
A database that is away delays traces: they wait in a bounded buffer, whose texts are given up before its numbers.
"""

from __future__ import annotations

import multiprocessing.util
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from itertools import islice
from types import FrameType
from typing import Any

import psycopg
import structlog
from django.db import connections
from psycopg import sql
from pydantic_core import PydanticSerializationError, to_json

log = structlog.get_logger(__name__)

COLLECT_SECONDS = 0.25
RETRY_SECONDS = 1.0
BATCH = 200
# Texts wait only for so many traces; beyond the second number the oldest traces are given up.
MAX_WAITING_WITH_TEXTS, MAX_WAITING = 1_000, 20_000
MAX_PAYLOAD_BYTES = 1_000_000
# PostgreSQL's texts cannot hold it.
ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

INSERT = """
    insert into {table} ({columns})
    select {columns} from json_populate_recordset(null::{table}, %s::json)
    on conflict do nothing
"""
# The row itself is at fault, not the database.
REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, ValueError, TypeError)
Row = dict[str, Any]
Connection = psycopg.Connection[Any]


@dataclass(slots=True, eq=False)
class Entry:
    """A trace with its spans, or spans that came after their trace."""

    trace: Row | None
    spans: Sequence[Row]
    payloads: Sequence[Row]


class TraceWriter:
    def __init__(self) -> None:
        self._begin_afresh()
        # A fork copies the buffer but not the thread: what waits is written by the parent.
        os.register_at_fork(after_in_child=self._begin_afresh)

    def _begin_afresh(self) -> None:
        self._waiting: deque[Entry] = deque()
        self._has_work = threading.Event()
        # Reentrant: SIGTERM may come while this very thread writes.
        self._writing = threading.RLock()
        self._thread: threading.Thread | None = None
        self._is_failing = False

    def put(self, trace: Row | None, spans: Sequence[Row], payloads: Sequence[Row | None]) -> None:
        kept = [payload for payload in payloads if payload] if len(self._waiting) < MAX_WAITING_WITH_TEXTS else []
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
        self._waiting.append(Entry(trace, spans, kept))
        if self._thread is None:
            self._start()
        self._has_work.set()

    def flush(self, *, seconds: float = 10.0) -> bool:
        """Write everything that waits, in the calling thread; whether nothing is left."""
        if not self._writing.acquire(timeout=seconds):
            return False
        try:
            while self._waiting:
                self._write_batch()
        except Exception as error:  # noqa: BLE001 (a request never fails because of its trace)
            # Whatever is wrong with the database, the traces wait, and requests go on.
            self._tell_failure(error)
        finally:
            self._writing.release()
        return not self._waiting

    def discard(self) -> None:
        """Forget what waits, and let a write that has begun come to its end."""
        with self._writing:
            self._waiting.clear()

    # -- The thread -------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="trace-writer", daemon=True)
        self._thread.start()
        # Runs at the end of this process, and of a child of multiprocessing, where atexit does not.
        multiprocessing.util.Finalize(None, self.flush, exitpriority=100)
        _flush_on_sigterm(self)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._has_work.wait()
            pause.wait(COLLECT_SECONDS)
            self._has_work.clear()
            if not self.flush():
                pause.wait(RETRY_SECONDS)
                self._has_work.set()

    def _tell_failure(self, error: Exception) -> None:
        if not self._is_failing:
            log.warning("traces_are_waiting", waiting=len(self._waiting), error=str(error))
        self._is_failing = True

    # -- The writing ------------------------------------------------------------------------------------------

    def _write_batch(self) -> None:
        # Copied, not taken: what fails stays first in line.
        batch = list(islice(self._waiting, BATCH))
        with own_connection() as connection:
            try:
                write(connection, batch)
            except REFUSALS:
                write_one_by_one(connection, batch)
        written = {id(entry) for entry in batch}
        # The buffer may have given up its oldest entries meanwhile.
        while self._waiting and id(self._waiting[0]) in written:
            self._waiting.popleft()
        self._is_failing = False


def _flush_on_sigterm(writer: TraceWriter) -> None:
    """A process that nobody taught to end (a command, a queue's worker) writes its traces before SIGTERM ends it."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def flush_and_end(number: int, frame: FrameType | None) -> None:
        writer.flush(seconds=3.0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, flush_and_end)


@contextmanager
def own_connection() -> Iterator[Connection]:
    """A connection that belongs to no request and no transaction of the calling thread."""
    wrapper = connections.create_connection("default")
    try:
        wrapper.ensure_connection()
        yield wrapper.connection
    finally:
        wrapper.close()


def write_one_by_one(connection: Connection, batch: Sequence[Entry]) -> None:
    """One entry that the database refuses must not hold up the others; the refused one is logged and given up."""
    for entry in batch:
        try:
            write(connection, [entry])
        except REFUSALS as error:
            log.error("trace_refused", trace=str(entry.trace and entry.trace["id"]), error=str(error))


def write(connection: Connection, batch: Sequence[Entry]) -> None:
    tables = {
        "magnet_trace": [entry.trace for entry in batch if entry.trace],
        "magnet_span": [span for entry in batch for span in entry.spans],
        "magnet_spanpayload": [payload for entry in batch for payload in entry.payloads],
    }
    # In a pipeline nobody waits for the answer to each statement.
    with connection.pipeline(), connection.transaction(), connection.cursor() as cursor:
        for table, rows in tables.items():
            if rows:
                cursor.execute(insert_statement(table, tuple(rows[0])), [as_json(rows)])


@cache
def insert_statement(table: str, columns: tuple[str, ...]) -> bytes:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL(INSERT).format(table=sql.Identifier(table), columns=names).as_bytes(None)


def as_json(rows: Sequence[Row]) -> str:
    return (b"[" + b",".join([row_as_json(row) for row in rows]) + b"]").decode()


def row_as_json(row: Row) -> bytes:
    try:
        encoded = to_json(row, inf_nan_mode="null", fallback=str)
    except PydanticSerializationError:
        # A lone half of a surrogate pair, as broken JSON may bring along.
        encoded = to_json(without_surrogates(row), inf_nan_mode="null", fallback=str)
    if len(encoded) > MAX_PAYLOAD_BYTES and "output" in row:
        encoded = to_json({**row, "input": shortened(row["input"]), "output": shortened(row["output"])}, fallback=str)
    return ESCAPED_NUL.sub(rb"\1", encoded) if b"\\u0000" in encoded else encoded


def without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(part) for key, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return without_surrogates(asdict(value))
    if isinstance(value, list | tuple):
        return [without_surrogates(part) for part in value]
    return value


def shortened(value: Any) -> Any:
    text = to_json(value, inf_nan_mode="null", fallback=str).decode()
    return value if len(text) < MAX_PAYLOAD_BYTES // 4 else f"{text[: MAX_PAYLOAD_BYTES // 4]} …"


writer = TraceWriter()
