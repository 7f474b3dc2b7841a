"""The JSON of knowledge: sources, documents, runs and searches."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from knowledge.metadata_fields import FieldType, MetadataField
from magnet.api.listing import Listing
from magnet.api.schemas import Changes, Given, Money, Name, Slug, Tags, Text

MAX_QUESTION_CHARACTERS = 20_000
MAX_DOCUMENTS = 1_000

Schedule = Literal["manual", "hourly", "daily", "weekly", "cron"]
State = Literal["pending", "live", "stale", "failed", "excluded"]


# -- Sources -------------------------------------------------------------------------------------------------------


class SourceChanges(Changes):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    # Checked against the connector's settings; what does not fit is named as "config.…".
    config: dict[str, Any] | None = None
    # Write-only. A new address in the config forgets them.
    secrets: dict[str, Any] | None = None
    schedule: Schedule | None = None
    cron: Text | None = Field(None, max_length=100)
    time_zone: Text | None = Field(None, max_length=64)
    chunker: Text | None = Field(None, max_length=50)
    chunker_config: dict[str, Any] | None = None
    embedding_model: Slug | None = None
    # A chat model that writes a line of context for each chunk; null for none.
    context_model: Slug | None = None
    language: Text | None = Field(None, max_length=10)
    # What filters see, and as what: [{"name": "country", "from": "Country code", "type": "text"}]. Empty: all metadata.
    metadata_fields: list[MetadataField] | None = None
    deletion_guard_percent: int | None = Field(None, ge=0, le=100)


class NewSource(SourceChanges):
    name: Name
    slug: Slug | None = None
    connector: Text = Field("upload", max_length=50)


class SourceOut(BaseModel):
    slug: str
    name: str
    description: str
    tags: list[str]
    connector: str
    config: dict[str, Any]
    has_secrets: bool
    schedule: str
    cron: str
    time_zone: str
    next_sync_at: datetime | None
    chunker: str
    chunker_config: dict[str, Any]
    embedding_model: str
    context_model: str | None
    language: str
    metadata_fields: list[dict[str, str]]
    deletion_guard_percent: int
    created_at: datetime
    updated_at: datetime


class SourceDetail(SourceOut):
    # How many documents are in each state.
    documents: dict[str, int]
    chunk_count: int
    # Whether these settings differ from those that serve: POST …/reindex to use them.
    needs_reindex: bool


# -- Documents -----------------------------------------------------------------------------------------------------


class GivenDocument(Given):
    """A document as it is uploaded. Its remote_id is its stable id in your system: the same id replaces it."""

    remote_id: str
    text: str
    title: str = Field("", max_length=1_000)
    url: str = Field("", max_length=4_000)
    media_type: str = Field("", max_length=200)
    metadata: dict[str, Any] = {}
    # Who may see it; null where that is not restricted.
    groups: list[Annotated[Text, Field(min_length=1, max_length=200)]] | None = None


class GivenDocuments(Given):
    documents: Annotated[list[GivenDocument], Field(min_length=1, max_length=MAX_DOCUMENTS)]


class DocumentListing(Listing):
    state: State | None = None
    remote_id: str | None = None


class DocumentOut(BaseModel):
    id: UUID
    source: str
    remote_id: str
    title: str
    url: str
    media_type: str
    metadata: dict[str, Any]
    groups: list[str] | None
    language: str
    file_bytes: int
    state: str
    # Why it failed, or why its old version serves.
    failure: str
    failure_code: str
    attempts: int
    next_attempt_at: datetime | None
    chunk_count: int
    indexed_at: datetime | None
    created_at: datetime
    changed_at: datetime


class DocumentDetail(DocumentOut):
    text: str


# -- Runs ----------------------------------------------------------------------------------------------------------


class Progress(BaseModel):
    done: int
    to_do: int
    percent: int


class RunOut(BaseModel):
    id: UUID
    source: str
    status: str
    is_finished: bool
    looks_stuck: bool
    trigger: str
    actor: str
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None
    error: str
    # What was left out, and while the run rests why, and when it tries again.
    notice: str
    resumes_at: datetime | None
    progress: Progress
    listed: int
    added: int
    changed: int
    unchanged: int
    deleted: int
    # Deletions beyond the source's guard, which wait for POST …/approve.
    deletions_waiting: int
    # What a large run would embed and cost, which waits for POST …/approve: documents, tokens, cost, seconds.
    forecast: dict[str, Any] | None
    # The same in a sentence.
    question: str
    chunks_embedded: int
    chunks_reused: int
    # Tokens embedded; what a chat model read and wrote for lines of context is counted apart, and part of the cost.
    tokens: int
    cost: Money
    context_tokens: int
    context_cost: Money
    receipt: dict[str, Any] | None


class RunListing(Listing):
    source: str = Field("", max_length=100)
    status: str = Field("", max_length=30)


class PushedOut(BaseModel):
    # None when nothing has changed.
    run: RunOut | None
    added: int
    changed: int
    unchanged: int


class ProofCheck(BaseModel):
    place: str
    # None where it could not be searched in time.
    found: int | None
    where: list[str]


class ProofOut(BaseModel):
    source: str
    wanted: str
    is_gone: bool
    checked_at: datetime
    # None where no deletion of it is known.
    deleted_at: datetime | None
    checks: list[ProofCheck]
    # What Magnet cannot search.
    outside: list[str]


# -- Search --------------------------------------------------------------------------------------------------------


class Search(Given):
    query: str = Field(min_length=1, max_length=MAX_QUESTION_CHARACTERS)
    limit: int = Field(10, ge=1, le=200)
    filter: dict[str, Any] | None = None
    mode: Literal["hybrid", "meaning", "words"] = "hybrid"
    minimum_score: float = Field(0.0, ge=0, le=1)


class FoundDocument(BaseModel):
    id: UUID
    remote_id: str
    title: str
    url: str


class FieldOut(BaseModel):
    name: str
    # text, number, boolean, date or list; the usual one where documents disagree.
    type: FieldType
    # Frequent values; none for callers who may not find every document.
    examples: list[str]


class FieldsOut(BaseModel):
    fields: list[FieldOut]
    # What filters may name of every document, whatever its metadata.
    of_documents: list[str]


class PassageOut(BaseModel):
    document: FoundDocument
    source: str
    text: str
    heading: str
    # The page of the part that fits the question best, and the pages of the whole text.
    page: int | None
    first_page: int | None
    last_page: int | None
    # Where the text stands in the document's text.
    start: int
    end: int
    score: float
    semantic_score: float | None
    word_score: float | None


class FoundOut(BaseModel):
    passages: list[PassageOut]
    # How many documents the filter leaves; None without a filter.
    documents_in_scope: int | None
