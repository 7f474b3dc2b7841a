"""The tables of knowledge."""

from knowledge.models.documents import Document
from knowledge.models.indexes import Chunk, IndexedDocument, KnowledgeIndex, Word
from knowledge.models.runs import SyncRun
from knowledge.models.sources import KnowledgeSource

__all__ = ["Chunk", "Document", "IndexedDocument", "KnowledgeIndex", "KnowledgeSource", "SyncRun", "Word"]
