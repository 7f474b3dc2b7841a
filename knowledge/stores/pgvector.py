"""Vectors in PostgreSQL: the nearest chunks of a generation, exactly or by its HNSW index, and how that is made."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import adapters, sql
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Measured over 100,000 chunks (RETRIEVAL.md): recall@10 .990 at 2.8 ms.
NEIGHBOURS, CONSTRUCTION_BREADTH = 24, 200

# `+ 0` is nothing that an HNSW index can serve, so every row in scope is compared.
EXACT: LiteralString = """(select c.id, c.index_id, 1 - (c.embedding <=> {vector}::halfvec) as cosine
from knowledge_chunk c where c.index_id = {index} and c.embedding is not null and not c.is_disabled{scope}
order by (c.embedding <=> {vector}::halfvec) + 0 limit {limit})"""

# The index is partial and on an expression: the generation stands in the text, and both sides have the dimension.
BY_INDEX: LiteralString = """(select c.id, c.index_id,
1 - (c.embedding::halfvec({dimensions}) <=> {vector}::halfvec({dimensions})) as cosine
from knowledge_chunk c where c.index_id = {index} and not c.is_disabled{scope}
order by c.embedding::halfvec({dimensions}) <=> {vector}::halfvec({dimensions}) limit {limit})"""

# What another store has named, and what it may not have heard of yet: only what is there and may be seen counts.
AMONG: LiteralString = """(select c.id, c.index_id, 1 - (c.embedding <=> {vector}::halfvec) as cosine
from knowledge_chunk c where c.index_id = {index} and c.id in (
select unnest({near}::bigint[]) union all
(select v.chunk_id from knowledge_vectorchange v where v.index_id = {index} order by v.id desc limit {most_fresh}))
and c.embedding is not null and not c.is_disabled{scope}
order by (c.embedding <=> {vector}::halfvec) + 0 limit {limit})"""
# So many chunks that are on their way to another store are compared here.
MOST_FRESH = 2_000


class HalfVector:
    """A vector on its way to the database, in half precision: 512 bytes instead of 5,000 characters for 256 numbers."""

    def __init__(self, vector: NDArray[np.float32]) -> None:
        self.dimensions = len(vector)
        self.sent = struct.pack(">HH", len(vector), 0) + vector.astype(">f2").tobytes()

    def numbers(self) -> list[float]:
        return list(struct.unpack(f">{self.dimensions}e", self.sent[4:]))


class HalfVectorDumper(Dumper):
    # The statement casts it, so PostgreSQL finds the type, whose number differs in each database.
    oid = 0
    format = Format.BINARY

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)

    def dump(self, obj: Any) -> Buffer | None:
        return bytes(obj.sent)


adapters.register_dumper(HalfVector, HalfVectorDumper)


def nearest(
    index_id: int, *, dimensions: int, vector: sql.Placeholder, is_exact: bool, scope: sql.Composable, limit: int
) -> sql.Composed:
    """The nearest chunks of a generation: (id, index_id, cosine), at most `limit` of them.

    `scope` restricts the chunk `c` and begins with "and"; `vector` is bound to a HalfVector.
    """
    text = sql.SQL(EXACT if is_exact else BY_INDEX)
    numbers = {"index": index_id, "dimensions": dimensions, "limit": limit}
    literals = {name: sql.Literal(number) for name, number in numbers.items()}
    return text.format(**literals, vector=vector, scope=scope)


def among(
    index_id: int, *, near: sql.Placeholder, vector: sql.Placeholder, scope: sql.Composable, limit: int
) -> sql.Composed:
    """The nearest of the chunks in `near` (bound to a list of ids) and of those in the outbox, as `nearest` tells."""
    numbers = {"index": index_id, "limit": limit, "most_fresh": MOST_FRESH}
    literals = {name: sql.Literal(number) for name, number in numbers.items()}
    return sql.SQL(AMONG).format(**literals, near=near, vector=vector, scope=scope)


def create_index(name: str, *, index_id: int, dimensions: int) -> sql.Composed:
    return sql.SQL(
        "create index concurrently {name} on knowledge_chunk "
        "using hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops) "
        "with (m = {m}, ef_construction = {breadth}) where index_id = {index}"
    ).format(
        name=sql.Identifier(name),
        dimensions=sql.Literal(dimensions),
        m=sql.Literal(NEIGHBOURS),
        breadth=sql.Literal(CONSTRUCTION_BREADTH),
        index=sql.Literal(index_id),
    )


def drop_index(name: str) -> sql.Composed:
    return sql.SQL("drop index concurrently if exists {name}").format(name=sql.Identifier(name))
