"""Chunks of whole sentences up to a number of tokens, whatever the paragraphs are."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from knowledge.chunkers.base import Chunker, Piece
from knowledge.chunkers.node_parsers import pieces_of, spans
from magnet.tokens import encoding


class SentenceConfig(BaseModel):
    """How long a chunk may be, and how much of it the next one repeats."""

    model_config = ConfigDict(extra="forbid", title="Sentences")

    max_tokens: int = Field(
        256,
        ge=32,
        le=2048,
        title="Longest chunk (tokens)",
        description="A token is about three quarters of a word.",
    )
    overlap_tokens: int = Field(
        20, ge=0, le=512, title="Overlap (tokens)", description="How much of a chunk's end the next one repeats."
    )

    @model_validator(mode="after")
    def overlap_is_the_smaller_part(self) -> SentenceConfig:
        if self.overlap_tokens * 2 > self.max_tokens:
            raise ValueError("The overlap may be at most half of the longest chunk. Make it smaller.")
        return self


class SentenceChunker(Chunker):
    label: ClassVar[str] = "Sentences"
    description: ClassVar[str] = "Fills chunks with whole sentences. Good for transcripts and texts without paragraphs."
    Config: ClassVar[type[BaseModel]] = SentenceConfig

    def split(self, text: str) -> list[Piece]:
        from llama_index.core.node_parser import SentenceSplitter

        parser = SentenceSplitter(
            chunk_size=self.config.max_tokens,
            chunk_overlap=self.config.overlap_tokens,
            # Its own one would be loaded a second time.
            tokenizer=encoding().encode_ordinary,
        )
        return list(pieces_of(text, spans(parser, text), max_tokens=self.config.max_tokens))
