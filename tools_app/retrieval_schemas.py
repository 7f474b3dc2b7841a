"""The JSON of retrieval tools, and of what RAG tools have in common with them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from magnet.api.schemas import Changes, Given, Name, PositiveInt, Slug, Tags, Text
from magnet.callers import bind_caller, current_caller
from magnet.providers.base import ChatMessage
from magnet.web.auth import groups_of
from tools_app.prompting import MAX_QUESTION_CHARACTERS
from tools_app.prompting import Given as Asking
from tools_app.retrieval_parts import Boosts, FilterFields, SourceBoost

SearchMode = Literal["hybrid", "meaning", "words"]
Sources = Annotated[list[Slug], Field(min_length=1, max_length=100)]


class RetrievalSettingsOut(BaseModel):
    sources: list[str]
    search_mode: str
    passage_count: int
    context_tokens: int
    minimum_score: float
    rewrites_question: bool
    query_count: int
    translates_question: bool
    fixed_filter: dict[str, Any]
    filter_fields: list[str]
    source_boosts: list[SourceBoost]
    freshness_half_life_days: int | None
    freshness_field: str
    most_per_document: int | None
    rerank_model: str | None
    rerank_candidates: int
    rerank_top_n: int | None
    neighbour_count: int
    neighbour_tokens: int


class RetrievalChanges(Changes):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    revision: PositiveInt | None = None
    sources: Sources | None = None
    search_mode: SearchMode | None = None
    passage_count: int | None = None
    context_tokens: int | None = None
    minimum_score: float | None = None
    rewrites_question: bool | None = None
    query_count: int | None = None
    translates_question: bool | None = None
    fixed_filter: dict[str, Any] | None = None
    filter_fields: FilterFields | None = None
    source_boosts: Boosts | None = None
    freshness_half_life_days: int | None = None
    freshness_field: Text | None = None
    most_per_document: int | None = None
    rerank_model: Slug | None = None
    rerank_candidates: int | None = None
    rerank_top_n: int | None = None
    neighbour_count: int | None = None
    neighbour_tokens: int | None = None


class NewRetrievalTool(RetrievalChanges):
    name: Name
    slug: Slug | None = None
    sources: Sources


# -- Asking ------------------------------------------------------------------------------------------------------------


class Turn(Given):
    """What was said before, oldest first."""

    role: Literal["user", "assistant"]
    text: str = Field(max_length=MAX_QUESTION_CHARACTERS)


class Person(Given):
    """Whom the caller asks for. It may only narrow what the caller finds, as the headers do.

    Without `groups`, a person who is known by a confirmed address brings their own; an empty list means none.
    """

    person: str = Field("", max_length=320)
    groups: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=1_000)] | None = None

    async def step_in(self) -> None:
        """For the rest of this request, find only what this person may find."""
        person = self.person.strip()
        groups = await groups_of(person) if self.groups is None else self.groups
        bind_caller(current_caller().acting_for(person, groups))


class AskedWith(Given):
    # Narrows the filter of the tool.
    filter: dict[str, Any] | None = None
    user: Person | None = None
    history: list[Turn] = Field([], max_length=100)

    def turns(self) -> tuple[ChatMessage, ...]:
        return tuple(ChatMessage(turn.role, turn.text.replace("\0", " ")) for turn in self.history)

    async def act_for_user(self) -> None:
        """For the rest of this request, find only what the named person may find."""
        if self.user is not None:
            await self.user.step_in()


class Query(AskedWith):
    query: str = Field(min_length=1, max_length=MAX_QUESTION_CHARACTERS)
    # By default the live version.
    version: PositiveInt | None = None

    def given(self) -> Asking:
        return Asking(self.turns(), self.filter)


class FoundDocument(BaseModel):
    id: UUID
    source: str
    remote_id: str
    title: str
    url: str


class FoundPassageOut(BaseModel):
    number: int
    document: FoundDocument
    text: str
    heading: str
    page: int | None
    first_page: int | None
    last_page: int | None
    start: int
    end: int
    content_hash: str
    chunk_id: int
    score: float
    semantic_score: float | None
    word_score: float | None
    rerank_score: float | None


class StageOut(BaseModel):
    """`dropped` counts the passages; which ones, and at which rank, stands in the trace."""

    name: str
    kept: int
    dropped: int
    setting: Any
    said: str
    failed: bool


class SearchOut(BaseModel):
    passages: list[FoundPassageOut]
    # As it was searched with: made whole where there was a conversation.
    question: str
    queries: list[str]
    language: str
    # That of the tool, of the caller and of a model together.
    filter: dict[str, Any]
    documents_in_scope: int | None
    rerank_failed: bool
    stages: list[StageOut]
    tool: str
    version: int
    # US dollars as a decimal string.
    cost: str
    trace_id: UUID
    duration_ms: float
