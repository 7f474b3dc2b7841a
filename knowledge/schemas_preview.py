"""The JSON of a preview: a text or a document with settings to try, and the chunks that come of it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from magnet.api.schemas import Given, Money, Slug, Text


class PreviewSettings(Given):
    """Those that are not sent are the source's."""

    chunker: Text | None = Field(None, max_length=50)
    chunker_config: dict[str, Any] | None = None
    embedding_model: Slug | None = None


class Preview(PreviewSettings):
    # One of the source's documents, or a text.
    remote_id: Text | None = Field(None, max_length=1_000)
    text: str | None = None
    title: Text = Field("", max_length=1_000)
    media_type: Text = Field("", max_length=200)


class PreviewedChunkOut(BaseModel):
    number: int
    heading: str
    page: int | None
    # Where it stands in `text`.
    start: int
    end: int
    text: str
    token_count: int
    # Whether the embedding model reads less than all of it.
    is_too_long: bool
    # The line that a model wrote for this chunk when it was indexed; no part of the text.
    context: str


class PreviewOut(BaseModel):
    title: str
    # As it was read; of a very long one the beginning.
    text: str
    is_shortened: bool
    # Of the whole text.
    characters: int
    pages: int
    chunks: list[PreviewedChunkOut]
    longest: int
    shortest: int
    mean: int
    too_long: int
    # How many tokens the embedding model reads of a text.
    model_reads: int
    # What the cutting itself took, where the chunker asks the embedding model.
    tokens: int
    cost: Money
