"""No cutting: a document is one chunk, as long as a model can read it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from knowledge.chunkers.base import Chunker, Piece
from knowledge.chunkers.node_parsers import pieces_of
from knowledge.chunkers.parts import trimmed


class WholeConfig(BaseModel):
    """How long a document may be before it is cut all the same."""

    model_config = ConfigDict(extra="forbid", title="Whole documents")

    max_tokens: int = Field(
        4096,
        ge=256,
        le=8192,
        title="Longest chunk (tokens)",
        description="A longer document is cut at its paragraphs, because no model reads more at once.",
    )


class WholeChunker(Chunker):
    label: ClassVar[str] = "Whole documents"
    description: ClassVar[str] = "Each document is one chunk. Good for short ones: questions with answers, tickets."
    Config: ClassVar[type[BaseModel]] = WholeConfig

    def split(self, text: str) -> list[Piece]:
        return list(pieces_of(text, trimmed(text, 0, len(text)), max_tokens=self.config.max_tokens))
