"""The JSON of RAG tools: their settings, questions and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from magnet.api.schemas import Name, PositiveInt, SentenceOut, Slug, Text, UsageOut
from tools_app.models.answer_checks import LanguageText
from tools_app.prompting import MAX_QUESTION_CHARACTERS
from tools_app.prompting import Given as Asking
from tools_app.retrieval_schemas import AskedWith, RetrievalChanges, RetrievalSettingsOut, Sources

# Counted and measured by the version itself.
SampleQuestions = Annotated[list[Text], Field(max_length=1_000)]
LinkTitles = Literal["document", "heading", "url"]


class RagToolSettings(RetrievalSettingsOut):
    prompt_template: str | None
    ai_model: str | None
    nothing_found_text: str
    nothing_found_texts: list[LanguageText]
    support_check: str
    analyses_answers: bool
    categories: list[str]
    header: str
    introduction: str
    sample_questions: list[str]
    takes_feedback: bool
    link_titles: str
    opens_passages: bool


class RagToolChanges(RetrievalChanges):
    prompt_template: Slug | None = None
    ai_model: Slug | None = None
    nothing_found_text: Text | None = None
    # What is said instead, by the language of the question.
    nothing_found_texts: list[LanguageText] | None = None
    # `model_later` leaves it to the background.
    support_check: Literal["words", "model", "model_later"] | None = None
    analyses_answers: bool | None = None
    categories: list[Name] | None = None
    header: Text | None = None
    introduction: Text | None = None
    sample_questions: SampleQuestions | None = None
    takes_feedback: bool | None = None
    link_titles: LinkTitles | None = None
    opens_passages: bool | None = None


class NewRagTool(RagToolChanges):
    name: Name
    slug: Slug | None = None
    sources: Sources


class Question(AskedWith):
    question: str = Field(min_length=1, max_length=MAX_QUESTION_CHARACTERS)
    # By default the live version.
    version: PositiveInt | None = None
    # Of the tool's prompt template, beside those that the tool fills in itself.
    variables: Annotated[dict[str, Any], Field(max_length=50)] = {}

    def given(self) -> Asking:
        return Asking(self.turns(), self.filter, self.variables)


class CitedDocument(BaseModel):
    id: UUID
    source: str
    remote_id: str
    title: str
    url: str


class CitedPassageOut(BaseModel):
    # The number by which the answer cites it, such as [1].
    number: int
    is_cited: bool
    document: CitedDocument
    text: str
    heading: str
    # The page that is cited, or fits the question best, and the pages of the whole text.
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
    # The rerank model's own, on its own scale.
    rerank_score: float | None


class AnswerOut(BaseModel):
    text: str
    # False where nothing fitted, and no model was asked.
    found: bool
    passages: list[CitedPassageOut]
    sentences: list[SentenceOut]
    tool: str
    version: int
    model: str
    provider: str
    # True where no language model is configured: the answer quotes the documents.
    is_extractive: bool
    usage: UsageOut
    # US dollars as a decimal string.
    cost: str
    trace_id: UUID
    duration_ms: float
    # How many documents the filter leaves, counted up to 10,000 in each source; null without one.
    documents_in_scope: int | None
    # True where the rerank model failed, and passages stand in the order before.
    rerank_failed: bool


STREAM: dict[str, Any] = {
    "responses": {
        200: {
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "description": "Events `started`, `passages`, `text`, and one of `completed` and `error`.",
                    }
                }
            }
        }
    }
}
