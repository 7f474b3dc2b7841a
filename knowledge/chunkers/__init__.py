"""The ways to cut a text into chunks."""

from __future__ import annotations

from knowledge.chunkers.base import Chunker, MissingChunker, Piece
from knowledge.chunkers.code import CodeChunker
from knowledge.chunkers.markdown import MarkdownChunker
from knowledge.chunkers.paragraphs import ParagraphChunker
from knowledge.chunkers.semantic import SemanticChunker
from knowledge.chunkers.sentences import SentenceChunker
from knowledge.chunkers.whole import WholeChunker

__all__ = ["CHUNKERS", "Chunker", "Piece", "chunker_kind"]

CHUNKERS: dict[str, type[Chunker]] = {
    "paragraphs": ParagraphChunker,
    "markdown": MarkdownChunker,
    "whole": WholeChunker,
    "sentences": SentenceChunker,
    "semantic": SemanticChunker,
    "code": CodeChunker,
}


def chunker_kind(name: str) -> type[Chunker]:
    """The kind of this name; one that says so where a plug-in brought it and is gone."""
    return CHUNKERS.get(name, MissingChunker)
