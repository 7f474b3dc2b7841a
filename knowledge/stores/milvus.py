"""Vectors in Milvus, or in Zilliz Cloud."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from knowledge.stores.base import ROWS_AT_ONCE, TIMEOUT_SECONDS
from knowledge.stores.llama_index import LlamaIndexStore, chunk_id

if TYPE_CHECKING:
    from llama_index.core.vector_stores.types import BasePydanticVectorStore

ID = "id"
EVERYTHING = f'{ID} != ""'


class MilvusStore(LlamaIndexStore):
    label = "Milvus"
    needs = {"llama_index.vector_stores.milvus": "llama-index-vector-stores-milvus", "pymilvus": "pymilvus"}

    @cached_property
    def _client(self) -> Any:
        from pymilvus import MilvusClient

        return MilvusClient(uri=self.address.url, token=self.address.api_key, timeout=TIMEOUT_SECONDS)

    def _opened(self, name: str, *, dimensions: int) -> BasePydanticVectorStore:
        from llama_index.vector_stores.milvus import MilvusVectorStore

        return MilvusVectorStore(
            uri=self.address.url,
            token=self.address.api_key,
            timeout=TIMEOUT_SECONDS,
            collection_name=name,
            dim=dimensions,
            similarity_metric="COSINE",
            upsert_mode=True,
            use_async_client=False,
            batch_size=500,
            # Of what it finds only the id is of use.
            output_fields=[ID],
        )

    def _known(self, name: str) -> BasePydanticVectorStore:
        # Opening a collection that is not there would make one, with vectors of one number.
        if not self._client.has_collection(name):
            raise ValueError(f"there is no collection {name}")
        return super()._known(name)

    def create(self, name: str, *, dimensions: int) -> None:
        with self._explained():
            self._collection(name, dimensions=dimensions)

    def drop(self, name: str) -> None:
        self._forget(name)
        with self._explained():
            self._client.drop_collection(name)

    def names(self) -> set[str]:
        with self._explained():
            return set(self._client.list_collections())

    def count(self, name: str) -> int | None:
        with self._explained():
            if not self._client.has_collection(name):
                return None
            # The statistics of a collection count what was replaced or deleted, too.
            (row,) = self._client.query(name, filter="", output_fields=["count(*)"])
            return int(row["count(*)"])

    def chunks(self, name: str) -> Iterator[Sequence[int]]:
        with self._explained():
            pages = self._client.query_iterator(name, batch_size=ROWS_AT_ONCE, filter=EVERYTHING, output_fields=[ID])
        try:
            while True:
                with self._explained():
                    page = pages.next()
                if not page:
                    return
                yield [chunk_id(row[ID]) for row in page]
        finally:
            pages.close()

    def close(self) -> None:
        if "_client" in vars(self):
            self._client.close()

    def _failures(self) -> tuple[type[Exception], ...]:
        from grpc import RpcError
        from pymilvus.exceptions import MilvusException

        return (*super()._failures(), RpcError, MilvusException)
