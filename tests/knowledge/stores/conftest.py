"""A server of each kind of vector store: Qdrant and Milvus in their local modes, OpenSearch as a fake, PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge import hnsw, vector_copies, vectors
from knowledge.stores import STORES, StoreAddress, VectorStore
from magnet.database import forget_configuration
from tests.knowledge.stores.fake_opensearch import fake_opensearch

KINDS = ("pgvector", "qdrant", "milvus", "opensearch")
EXTERNAL = ("qdrant", "milvus", "opensearch")


@pytest.fixture
def place(kind: str, tmp_path: Path) -> Iterator[str]:
    """Where a store of the kind is; its vectors are gone with the test."""
    if kind == "opensearch":
        with fake_opensearch() as server:
            yield server.url
        return
    path = str(tmp_path / "vectors.db")
    yield path
    if kind == "milvus":
        from milvus_lite.server_manager import server_manager_instance

        server_manager_instance.release_server(path)


@pytest.fixture
def store(kind: str, place: str, transactional_db: None) -> Iterator[VectorStore]:
    opened = STORES[kind](StoreAddress(place))
    yield opened
    opened.close()


@pytest.fixture
def in_use(kind: str, place: str, settings, monkeypatch, searching: None) -> Iterator[VectorStore]:
    """The installation searches in this store; generations of 50 chunks are large ones."""
    monkeypatch.setattr(hnsw, "MIN_CHUNKS", 50)
    monkeypatch.setattr(hnsw, "TOO_FEW_CHUNKS", 25)
    settings.VECTOR_DB_TYPE, settings.VECTOR_DB_URL = kind, place
    yield vectors.store()
    vectors.close()
    vector_copies.switch_off()
    forget_configuration()
