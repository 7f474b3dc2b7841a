"""Vectors in OpenSearch, by its k-NN plug-in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from knowledge.stores.base import ROWS_AT_ONCE, TIMEOUT_SECONDS
from knowledge.stores.llama_index import LlamaIndexStore, chunk_id

if TYPE_CHECKING:
    from llama_index.core.vector_stores.types import BasePydanticVectorStore

# https://docs.opensearch.org/latest/field-types/supported-field-types/knn-spaces/, as of November 2026.
METHOD = {
    "name": "hnsw",
    "space_type": "cosinesimil",
    "engine": "lucene",
    "parameters": {"m": 24, "ef_construction": 200},
}
SETTINGS = {"index": {"knn": True}}
VECTOR = "embedding"


class OpenSearchStore(LlamaIndexStore):
    label = "OpenSearch"
    needs = {
        "llama_index.vector_stores.opensearch": "llama-index-vector-stores-opensearch",
        "opensearchpy": "opensearch-py",
    }

    @cached_property
    def _client(self) -> Any:
        from opensearchpy import OpenSearch

        return OpenSearch(self.address.url, timeout=TIMEOUT_SECONDS, max_retries=1, **self._sign_in())

    def _sign_in(self) -> dict[str, Any]:
        """`VECTOR_DB_API_KEY` is user:password; a user may also stand in the URL."""
        user, colon, password = self.address.api_key.partition(":")
        return {"http_auth": (user, password)} if colon else {}

    def _opened(self, name: str, *, dimensions: int) -> BasePydanticVectorStore:
        from llama_index.vector_stores.opensearch import OpensearchVectorClient, OpensearchVectorStore

        client = OpensearchVectorClient(
            self.address.url,
            name,
            dimensions,
            embedding_field=VECTOR,
            method=METHOD,
            settings=SETTINGS,
            os_client=self._client,
            # The asynchronous one would be made, and never be used.
            os_async_client=self._client,
            excluded_source_fields=[VECTOR],
        )
        return OpensearchVectorStore(client)

    def _known(self, name: str) -> BasePydanticVectorStore:
        if not self._client.indices.exists(index=name):
            raise ValueError(f"there is no index {name}")
        return super()._known(name)

    def _cosine(self, score: float) -> float:
        """Scores are (1 + cosine) / 2, because they may not be negative."""
        return 2 * score - 1

    def create(self, name: str, *, dimensions: int) -> None:
        properties = {VECTOR: {"type": "knn_vector", "dimension": dimensions, "method": METHOD}}
        with self._explained():
            if not self._client.indices.exists(index=name):
                self._client.indices.create(
                    index=name, body={"settings": SETTINGS, "mappings": {"properties": properties}}
                )

    def drop(self, name: str) -> None:
        self._forget(name)
        with self._explained():
            self._client.indices.delete(index=name, ignore_unavailable=True)

    def names(self) -> set[str]:
        with self._explained():
            return set(self._client.indices.get_alias(index="*"))

    def count(self, name: str) -> int | None:
        with self._explained():
            if not self._client.indices.exists(index=name):
                return None
            return int(self._client.count(index=name)["count"])

    def chunks(self, name: str) -> Iterator[Sequence[int]]:
        from opensearchpy.helpers import scan

        batch: list[int] = []
        with self._explained():
            for hit in scan(self._client, index=name, size=ROWS_AT_ONCE, _source=False):
                batch.append(chunk_id(hit["_id"]))
                if len(batch) == ROWS_AT_ONCE:
                    yield batch
                    batch = []
        yield batch

    def close(self) -> None:
        if "_client" in vars(self):
            self._client.close()

    def _failures(self) -> tuple[type[Exception], ...]:
        from opensearchpy.exceptions import OpenSearchException
        from opensearchpy.helpers.errors import BulkIndexError

        return (*super()._failures(), OpenSearchException, BulkIndexError)
