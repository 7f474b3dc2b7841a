"""Vectors in Qdrant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from knowledge.stores.base import ROWS_AT_ONCE, TIMEOUT_SECONDS
from knowledge.stores.llama_index import LlamaIndexStore, chunk_id

if TYPE_CHECKING:
    from llama_index.core.vector_stores.types import BasePydanticVectorStore


class QdrantStore(LlamaIndexStore):
    label = "Qdrant"
    needs = {
        "llama_index.vector_stores.qdrant": "llama-index-vector-stores-qdrant",
        "qdrant_client": "qdrant-client",
    }

    @cached_property
    def _client(self) -> Any:
        from qdrant_client import QdrantClient

        if "://" not in self.address.url:
            return QdrantClient(path=self.address.url, force_disable_check_same_thread=True)
        return QdrantClient(
            url=self.address.url,
            api_key=self.address.api_key or None,
            timeout=TIMEOUT_SECONDS,
            check_compatibility=False,
        )

    def _opened(self, name: str, *, dimensions: int) -> BasePydanticVectorStore:
        from llama_index.vector_stores.qdrant import QdrantVectorStore

        return QdrantVectorStore(collection_name=name, client=self._client, batch_size=500, index_doc_id=False)

    def create(self, name: str, *, dimensions: int) -> None:
        from qdrant_client.models import Distance, VectorParams

        with self._explained():
            if not self._client.collection_exists(name):
                # LlamaIndex would make it with the first vector; an empty one has to be there before.
                self._client.create_collection(name, VectorParams(size=dimensions, distance=Distance.COSINE))

    def drop(self, name: str) -> None:
        self._forget(name)
        with self._explained():
            self._client.delete_collection(name)

    def names(self) -> set[str]:
        with self._explained():
            return {collection.name for collection in self._client.get_collections().collections}

    def count(self, name: str) -> int | None:
        with self._explained():
            if not self._client.collection_exists(name):
                return None
            return int(self._client.count(name, exact=True).count)

    def chunks(self, name: str) -> Iterator[Sequence[int]]:
        place = None
        while True:
            with self._explained():
                points, place = self._client.scroll(
                    name, limit=ROWS_AT_ONCE, offset=place, with_payload=False, with_vectors=False
                )
            yield [chunk_id(point.id) for point in points]
            if place is None:
                return

    def close(self) -> None:
        # Made only when somebody asked for it.
        if "_client" in vars(self):
            self._client.close()

    def _failures(self) -> tuple[type[Exception], ...]:
        from grpc import RpcError
        from httpx import HTTPError
        from qdrant_client.common.client_exceptions import QdrantException
        from qdrant_client.http.exceptions import ApiException

        return (*super()._failures(), RpcError, HTTPError, ApiException, QdrantException)
