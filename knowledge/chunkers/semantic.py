"""Chunks that end where the subject changes, as the embeddings of neighbouring sentences tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from knowledge.chunkers.base import Chunker, Embed, Piece
from knowledge.chunkers.node_parsers import pieces_of, spans
from knowledge.chunkers.parts import MAX_CHARACTERS
from magnet.errors import NotConfigured


class SemanticConfig(BaseModel):
    """Where a subject counts as another one."""

    model_config = ConfigDict(extra="forbid", title="By subject")

    max_tokens: int = Field(
        512, ge=64, le=2048, title="Longest chunk (tokens)", description="A token is about three quarters of a word."
    )
    breakpoint_percentile: int = Field(
        95,
        ge=50,
        le=99,
        title="Cut at the largest jumps (percentile)",
        description="95: at the twentieth part of the places where neighbouring sentences differ most. Less cuts more.",
    )


class SemanticChunker(Chunker):
    label: ClassVar[str] = "By subject"
    description: ClassVar[str] = (
        "Cuts where the subject changes. Every sentence is embedded once more, so it costs more and takes longer."
    )
    Config: ClassVar[type[BaseModel]] = SemanticConfig
    embeds: ClassVar[bool] = True

    def split(self, text: str) -> list[Piece]:
        from llama_index.core.node_parser import SemanticSplitterNodeParser

        if self.embed is None:
            raise NotConfigured("This chunker needs an embedding model. Choose one for the source.")
        parser = SemanticSplitterNodeParser(
            embed_model=embedding_of(self.embed),
            breakpoint_percentile_threshold=self.config.breakpoint_percentile,
            sentence_splitter=_sentences,
        )
        return list(pieces_of(text, spans(parser, text), max_tokens=self.config.max_tokens))


def _sentences(text: str) -> list[str]:
    """Together they are the text again: what is cut here is put together there."""
    from llama_index.core.node_parser.text.utils import split_by_sentence_tokenizer

    split: Callable[[str], list[str]] = split_by_sentence_tokenizer()
    found = split(text)
    return [part[at : at + MAX_CHARACTERS] for part in found for at in range(0, len(part), MAX_CHARACTERS)]


def embedding_of(embed: Embed) -> Any:
    """Our way to embed, as LlamaIndex calls it."""
    from llama_index.core.base.embeddings.base import BaseEmbedding

    class Embedding(BaseEmbedding):  # type: ignore[misc]  # the library is untyped here
        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return [list(map(float, vector)) for vector in embed(texts)]

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    return Embedding(model_name="magnet", embed_batch_size=2_048)
