"""One chunk for each section of a Markdown text, so that an answer shows what stands under one heading."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from knowledge.chunkers.base import Chunker, Piece
from knowledge.chunkers.node_parsers import pieces_of, spans


class MarkdownConfig(BaseModel):
    """How long a section may be before it is cut."""

    model_config = ConfigDict(extra="forbid", title="Sections")

    max_tokens: int = Field(
        1024,
        ge=64,
        le=4096,
        title="Longest chunk (tokens)",
        description="A section that is longer is cut at its paragraphs. A token is about three quarters of a word.",
    )


class MarkdownChunker(Chunker):
    label: ClassVar[str] = "Sections"
    description: ClassVar[str] = "One chunk for each heading with its text. Good for handbooks of many short sections."
    Config: ClassVar[type[BaseModel]] = MarkdownConfig

    def split(self, text: str) -> list[Piece]:
        from llama_index.core.node_parser import MarkdownNodeParser

        return list(pieces_of(text, spans(MarkdownNodeParser(), text), max_tokens=self.config.max_tokens))
