"""The JSON of the ground floor: what callers send and what they get."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from magnet.cleaning import storable
from magnet.scopes import SCOPES
from magnet.shape_faults import SLUG_PATTERN

S = TypeVar("S")


def _storable(value: str) -> str:
    if storable(value) != value:
        raise ValueError("A text cannot hold NUL characters or halves of surrogate pairs.")
    return value


def _as_decimal_string(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Slug = Annotated[Text, Field(min_length=1, max_length=100, pattern=SLUG_PATTERN)]
Tags = Annotated[list[Annotated[Text, Field(min_length=1, max_length=100)]], Field(max_length=50)]
# A number of US dollars as a string: floats would round it.
Money = Annotated[Decimal, PlainSerializer(_as_decimal_string, return_type=str)]
Price = Annotated[Decimal, Field(ge=0, max_digits=20, decimal_places=10, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(ge=1, le=2_147_483_647)]


class Given(BaseModel):
    """What callers send: an unknown field is a mistake, and saying so saves an afternoon."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Changes(Given):
    """The fields to change; those that are not sent stay as they are."""

    def sent(self, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set if name not in without}


class Reached(BaseModel):
    """The good news of a connection test."""

    message: str
    models: list[str] = []


class UsageOut(BaseModel):
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int


# -- Versions ------------------------------------------------------------------------------------------------------


class VersionOut(BaseModel, Generic[S]):
    version: int
    note: str
    author: str
    published_at: datetime | None
    settings: S


class VersionedOut(BaseModel, Generic[S]):
    slug: str
    name: str
    description: str
    tags: list[str]
    # Send it back in If-Match or as `revision` when you change the draft: 409 tells you that somebody was faster.
    revision: int
    live: VersionOut[S] | None
    draft: VersionOut[S] | None
    created_at: datetime
    updated_at: datetime


class Publish(Given):
    # By default the draft; a number makes an earlier version live again.
    version: PositiveInt | None = None
    note: Text = Field("", max_length=1_000)


class PublicationOut(BaseModel):
    from_version: int | None
    to_version: int | None
    live_version: int | None
    note: str
    actor: str
    created_at: datetime


# -- Providers and models ----------------------------------------------------------------------------------------


class ProviderChanges(Changes):
    name: Name | None = None
    description: Text | None = None
    base_url: Text | None = Field(None, max_length=500)
    # Write-only. A changed base_url forgets it, so that it is never sent to another address.
    api_key: Text | None = Field(None, max_length=10_000)
    api_key_variable: Text | None = Field(None, max_length=100)
    options: dict[str, Any] | None = None
    timeout_seconds: float | None = None
    max_concurrency: PositiveInt | None = None
    requests_per_minute: PositiveInt | None = None
    tokens_per_minute: PositiveInt | None = None
    is_active: bool | None = None


class NewProvider(ProviderChanges):
    name: Name
    slug: Slug | None = None
    kind: Annotated[Text, Field(max_length=50)]


class ProviderOut(BaseModel):
    slug: str
    name: str
    description: str
    kind: str
    base_url: str
    has_api_key: bool
    api_key_variable: str
    options: dict[str, Any]
    timeout_seconds: float
    max_concurrency: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


Purpose = Literal["chat", "embedding", "rerank"]


class ModelChanges(Changes):
    name: Name | None = None
    description: Text | None = None
    model_name: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    is_active: bool | None = None
    fallback: Slug | None = None
    context_tokens: PositiveInt | None = None
    max_output_tokens: PositiveInt | None = None
    can_stream: bool | None = None
    can_call_tools: bool | None = None
    can_see: bool | None = None
    can_follow_schema: bool | None = None
    can_reason: bool | None = None
    takes_temperature: bool | None = None
    dimensions: PositiveInt | None = None
    is_multilingual: bool | None = None
    max_input_tokens: PositiveInt | None = None
    fusion_weight: float | None = None
    score_floor: float | None = None
    score_ceiling: float | None = None
    input_price: Price | None = None
    cached_input_price: Price | None = None
    output_price: Price | None = None


class NewModel(ModelChanges):
    name: Name
    slug: Slug | None = None
    provider: Slug
    model_name: Annotated[Text, Field(min_length=1, max_length=200)]
    purpose: Purpose


class ModelOut(BaseModel):
    slug: str
    name: str
    description: str
    provider: str
    model_name: str
    purpose: str
    is_default: bool
    is_active: bool
    fallback: str | None
    context_tokens: int
    max_output_tokens: int | None
    can_stream: bool
    can_call_tools: bool
    can_see: bool
    can_follow_schema: bool
    can_reason: bool
    takes_temperature: bool
    dimensions: int | None
    is_multilingual: bool
    max_input_tokens: int
    fusion_weight: float
    score_floor: float
    score_ceiling: float
    # US dollars for a million tokens.
    input_price: Money
    cached_input_price: Money | None
    output_price: Money
    created_at: datetime
    updated_at: datetime


# -- API keys ----------------------------------------------------------------------------------------------------


class NewApiKey(Given):
    name: Name
    scopes: Annotated[list[str], Field(min_length=1, max_length=len(SCOPES))]
    expires_at: datetime | None = None
    requests_per_minute: PositiveInt | None = None
    # Groups, as the sources call them, whose documents the key may find beside those for everybody.
    document_groups: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)] = []


class ApiKeyOut(BaseModel):
    id: int
    name: str
    prefix: str
    scopes: list[str]
    owner: str | None
    document_groups: list[str]
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    is_usable: bool


class IssuedApiKey(ApiKeyOut):
    # Shown once; it cannot be had again.
    key: str


# -- Traces ------------------------------------------------------------------------------------------------------


class TraceOut(BaseModel):
    id: UUID
    feature: str
    slug: str
    summary: str
    status: str
    error: str
    started_at: datetime
    duration_ms: float
    input_tokens: int
    output_tokens: int
    cost: Money
    caller: str
    person: str
    request_id: str
    versions: dict[str, Any]


class NewFeedback(Given):
    """What is left out stays as it was."""

    rating: Literal["like", "dislike", ""] | None = None
    # Why it is not good; only with `dislike`.
    reason: Literal["wrong", "incomplete", "not_found", "outdated", "wrong_source", "unclear", "other", ""] | None = (
        None
    )
    comment: Annotated[Text, Field(max_length=5_000)] | None = None
    # Whether the answer was copied.
    is_copied: bool | None = None

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class FeedbackOut(BaseModel):
    trace_id: UUID
    rating: str
    reason: str
    comment: str
    is_copied: bool
    by: str
    person: str
    created_at: datetime
    updated_at: datetime


class SentenceOut(BaseModel):
    """A sentence of the answer that states something, as characters `start` to `end` of its text."""

    start: int
    end: int
    citations: list[int]
    # Whether the cited passages bear it out; null where it cites nothing, or nobody can say.
    supported: bool | None
    score: float | None
    # Why not, in words.
    reason: str


class AnalysisOut(BaseModel):
    state: str
    language: str
    category: str
    is_answered: bool | None
    resolution: str
    # Empty where no model was asked: then only language and is_answered are known.
    ai_model: str
    # The sentences as a model judged them afterwards; null where none was asked, or you may not read the texts.
    sentences: list[SentenceOut] | None


class SpanOut(BaseModel):
    id: UUID
    parent_id: UUID | None
    name: str
    kind: str
    status: str
    error: str
    started_at: datetime
    duration_ms: float
    first_token_ms: float | None
    model: str
    provider: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost: Money
    attributes: dict[str, Any]
    # None when the payload was not recorded, its time is over, or it quotes what you may not find.
    input: Any
    output: Any


class TraceDetail(TraceOut):
    spans: list[SpanOut]
    feedback: list[FeedbackOut]
    analysis: AnalysisOut | None
