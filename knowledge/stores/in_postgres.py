"""Vectors in PostgreSQL: they stand in the rows of the chunks, where every other store has its copies from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import connection
from psycopg import sql

from knowledge.stores.base import ROWS_AT_ONCE, Hit, VectorRow, VectorStore
from knowledge.stores.pgvector import nearest

KNOWN = "select exists (select from knowledge_knowledgeindex where id = %s)"
COUNT = "select count(*) from knowledge_chunk where index_id = %s and embedding is not null"
NAMES = "select id from knowledge_knowledgeindex"
PAGE = """
select id from knowledge_chunk where index_id = %s and id > %s and embedding is not null order by id limit %s
"""


class PostgresStore(VectorStore):
    """Answers exactly: what the copies in other stores are compared with. A name ends in the number of a generation."""

    label = "PostgreSQL (pgvector)"
    is_external = False

    def create(self, name: str, *, dimensions: int) -> None:
        """The table is there."""

    def drop(self, name: str) -> None:
        """The rows go with their generation."""

    def add(self, name: str, rows: Sequence[VectorRow]) -> None:
        """A chunk is written together with its vector."""

    def remove(self, name: str, chunks: Sequence[int]) -> None:
        """A chunk goes together with its vector."""

    def names(self) -> set[str]:
        with connection.cursor() as cursor:
            cursor.execute(NAMES)
            return {str(number) for (number,) in cursor.fetchall()}

    def nearest(self, name: str, vector: Sequence[float], *, limit: int) -> list[Hit]:
        statement = nearest(
            _number(name),
            dimensions=len(vector),
            vector=sql.Placeholder("vector"),
            is_exact=True,
            scope=sql.SQL(""),
            limit=limit,
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, {"vector": str([float(number) for number in vector])})
            return [(chunk, float(cosine)) for chunk, _index, cosine in cursor.fetchall()]

    def count(self, name: str) -> int | None:
        with connection.cursor() as cursor:
            cursor.execute(KNOWN, [_number(name)])
            if not cursor.fetchone()[0]:
                return None
            cursor.execute(COUNT, [_number(name)])
            return int(cursor.fetchone()[0])

    def chunks(self, name: str) -> Iterator[Sequence[int]]:
        last = 0
        while True:
            with connection.cursor() as cursor:
                cursor.execute(PAGE, [_number(name), last, ROWS_AT_ONCE])
                batch = [chunk for (chunk,) in cursor.fetchall()]
            if not batch:
                return
            yield batch
            last = batch[-1]


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])
