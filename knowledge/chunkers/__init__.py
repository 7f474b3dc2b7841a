"""The ways to cut a text into chunks."""

from __future__ import annotations

from knowledge.chunkers.base import Chunker, MissingChunker, Piece
from knowledge.chunkers.paragraphs import ParagraphChunker

__all__ = ["CHUNKERS", "Chunker", "Piece", "chunker_kind"]

CHUNKERS: dict[str, type[Chunker]] = {
    "paragraphs": ParagraphChunker,
}


def chunker_kind(name: str) -> type[Chunker]:
    """The kind of this name; one that says so where a plug-in brought it and is gone."""
    return CHUNKERS.get(name, MissingChunker)
