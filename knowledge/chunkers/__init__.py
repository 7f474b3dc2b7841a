"""The ways to cut a text into chunks."""

from __future__ import annotations

from knowledge.chunkers.base import Chunker, Piece
from knowledge.chunkers.paragraphs import ParagraphChunker

__all__ = ["CHUNKERS", "Chunker", "Piece"]

CHUNKERS: dict[str, type[Chunker]] = {
    "paragraphs": ParagraphChunker,
}
