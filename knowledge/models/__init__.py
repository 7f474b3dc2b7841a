"""The tables of knowledge."""

from knowledge.models.deletions import DeletedDocument
from knowledge.models.disabled import DisabledChunk
from knowledge.models.documents import Document
from knowledge.models.indexes import Chunk, IndexedDocument, KnowledgeIndex, Word
from knowledge.models.listings import ListedName
from knowledge.models.run_events import SyncRunEvent
from knowledge.models.runs import SyncRun
from knowledge.models.sources import KnowledgeSource
from knowledge.models.vectors import VectorChange, VectorCopy

__all__ = [
    "Chunk",
    "DeletedDocument",
    "DisabledChunk",
    "Document",
    "IndexedDocument",
    "KnowledgeIndex",
    "KnowledgeSource",
    "ListedName",
    "SyncRun",
    "SyncRunEvent",
    "VectorChange",
    "VectorCopy",
    "Word",
]
