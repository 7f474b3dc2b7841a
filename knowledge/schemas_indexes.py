"""The JSON of generations: how they are built, compared and switched."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from knowledge.comparison import MAX_QUESTIONS, USUAL_QUESTIONS
from knowledge.metadata_fields import MetadataField
from knowledge.schemas import MAX_QUESTION_CHARACTERS
from magnet.api.schemas import Changes, Given, Money, Slug, Text

Stage = Literal["building", "paused", "failed", "ready", "switching", "live", "retired", "cancelled"]


class Reindex(Changes):
    """What the source shall want; what is not sent stays as its settings say."""

    embedding_model: Slug | None = None
    chunker: Text | None = Field(None, max_length=50)
    chunker_config: dict[str, Any] | None = None
    # A chat model that writes a line of context for each chunk; null for none.
    context_model: Slug | None = None
    language: Text | None = Field(None, max_length=10)
    metadata_fields: list[MetadataField] | None = None


class Between(BaseModel):
    """From the least to the most that is likely."""

    least: int
    most: int


class MoneyBetween(BaseModel):
    """From the least to the most that is likely, in US dollars."""

    least: str
    most: str


class ForecastOut(BaseModel):
    documents: int
    tokens: Between
    cost: MoneyBetween
    seconds: Between
    # What a chat model reads and writes for lines of context; part of the cost.
    context_tokens: Between | None = None
    # More documents than the operator's MAGNET_ASK_ABOVE_DOCUMENTS: worth a look before it starts.
    is_large: bool


class IndexProgress(BaseModel):
    done: int
    to_do: int
    percent: int
    documents_per_second: float | None
    seconds_left: int | None


class IndexOut(BaseModel):
    id: int
    source: str
    generation: int
    status: Stage
    embedding_model: str
    dimensions: int
    chunker: str
    chunker_config: dict[str, Any]
    context_model: str | None
    language: str
    metadata_fields: list[dict[str, str]]
    chunk_count: int
    created_at: datetime
    ready_at: datetime | None
    live_at: datetime | None
    retired_at: datetime | None
    # Until when a switch away from this generation can be undone; only of one that served and is kept.
    undo_until: datetime | None
    looks_stuck: bool
    # Why it stopped, or what it waits for.
    error: str
    # When it tries again by itself, while it waits for a provider or for room on a disk.
    resumes_at: datetime | None
    # Whether it is large and its vector index is still being built, which a switch waits for.
    awaits_vector_index: bool
    progress: IndexProgress
    forecast: ForecastOut | None
    chunks_embedded: int
    chunks_reused: int
    # Tokens embedded; what a chat model read and wrote for lines of context is counted apart, and part of the cost.
    tokens: int
    cost: Money
    context_tokens: int
    context_cost: Money


class GivenQuestion(Given):
    question: str = Field(min_length=1, max_length=MAX_QUESTION_CHARACTERS)
    # The remote_id of the document that answers it, where you know it.
    right_document: str = Field("", max_length=1_000)


class Compare(Given):
    questions: Annotated[list[GivenQuestion], Field(max_length=MAX_QUESTIONS)] = []
    # So many of the last questions that were really asked are added, for who may see traces.
    real_questions: int = Field(USUAL_QUESTIONS, ge=0, le=MAX_QUESTIONS)


class ComparedDocument(BaseModel):
    id: UUID
    remote_id: str
    title: str


class ComparedOut(BaseModel):
    question: str
    right_document: str
    mode: str
    verdict: Literal["same", "changed", "better", "worse"]
    # The place of the right document; None where it is not known, or not found.
    rank_before: int | None
    rank_after: int | None
    before: list[ComparedDocument]
    after: list[ComparedDocument]


class ComparisonOut(BaseModel):
    live: int
    other: int
    counts: dict[str, int]
    questions: list[ComparedOut]
