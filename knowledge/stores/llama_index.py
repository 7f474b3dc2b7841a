"""What stores behind LlamaIndex's interface have in common: a node is a chunk, and each of its stores a collection."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from knowledge.stores.base import ROWS_AT_ONCE, Hit, StoreAddress, VectorRow, VectorStore
from magnet.errors import VectorStoreUnavailable

if TYPE_CHECKING:
    from llama_index.core.vector_stores.types import BasePydanticVectorStore

MOST_CHARACTERS_OF_A_REASON = 300


class LlamaIndexStore(VectorStore):
    """Collections are opened once for each process; the clients behind them may be used by several threads."""

    def __init__(self, address: StoreAddress) -> None:
        super().__init__(address)
        self._open: dict[str, BasePydanticVectorStore] = {}
        self._opening = threading.Lock()

    @abstractmethod
    def _opened(self, name: str, *, dimensions: int) -> BasePydanticVectorStore:
        """LlamaIndex's store for a collection."""

    def add(self, name: str, rows: Sequence[VectorRow]) -> None:
        from llama_index.core.schema import TextNode

        if not rows:
            return
        nodes = [TextNode(id_=node_id(chunk), text="", embedding=[float(n) for n in vector]) for chunk, vector in rows]
        with self._explained():
            self._collection(name, dimensions=len(rows[0][1])).add(nodes)

    def remove(self, name: str, chunks: Sequence[int]) -> None:
        with self._explained():
            collection = self._known(name)
            for start in range(0, len(chunks), ROWS_AT_ONCE):
                collection.delete_nodes([node_id(chunk) for chunk in chunks[start : start + ROWS_AT_ONCE]])

    def nearest(self, name: str, vector: Sequence[float], *, limit: int) -> list[Hit]:
        from llama_index.core.vector_stores.types import VectorStoreQuery

        query = VectorStoreQuery(query_embedding=[float(n) for n in vector], similarity_top_k=limit)
        with self._explained():
            result = self._collection(name, dimensions=len(vector)).query(query)
        found = zip(result.ids or (), result.similarities or (), strict=True)
        return [(chunk_id(node), self._cosine(score)) for node, score in found]

    def _cosine(self, score: float) -> float:
        return score

    def _collection(self, name: str, *, dimensions: int) -> BasePydanticVectorStore:
        with self._opening:
            if name not in self._open:
                self._open[name] = self._opened(name, dimensions=dimensions)
            return self._open[name]

    def _known(self, name: str) -> BasePydanticVectorStore:
        """To forget a chunk, nobody needs to know how long its vector was."""
        return self._collection(name, dimensions=1)

    def _forget(self, name: str) -> None:
        with self._opening:
            self._open.pop(name, None)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._failures() as error:
            reason = str(error).strip()[:MOST_CHARACTERS_OF_A_REASON] or type(error).__name__
            raise VectorStoreUnavailable(
                f"{self.label} at {self.address.url} did not do what it was asked: {reason}. "
                "Check VECTOR_DB_URL and VECTOR_DB_API_KEY, and that the server runs."
            ) from error

    def _failures(self) -> tuple[type[Exception], ...]:
        """What the libraries of this store raise when the server is away, refuses, or lacks the collection."""
        return (OSError, ValueError, RuntimeError)


def node_id(chunk: int) -> str:
    """The stores agree on nothing but this form; Qdrant takes no other text."""
    return str(UUID(int=chunk))


def chunk_id(node: Any) -> int:
    return UUID(str(node)).int
