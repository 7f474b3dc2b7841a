"""Where vectors can be kept. A new kind is one file and one line here."""

from knowledge.stores.base import StoreAddress, VectorStore
from knowledge.stores.in_postgres import PostgresStore
from knowledge.stores.milvus import MilvusStore
from knowledge.stores.opensearch import OpenSearchStore
from knowledge.stores.qdrant import QdrantStore

__all__ = ["STORES", "StoreAddress", "VectorStore"]

STORES: dict[str, type[VectorStore]] = {
    "pgvector": PostgresStore,
    "qdrant": QdrantStore,
    "milvus": MilvusStore,
    "opensearch": OpenSearchStore,
}
