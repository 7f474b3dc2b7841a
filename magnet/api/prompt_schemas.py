"""The JSON of prompt templates: their settings, test inputs, and what running one takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from magnet.api.schemas import Changes, Given, Name, PositiveInt, Slug, Tags, Text, UsageOut, VersionedOut
from magnet.prompt_parts import Example, Examples, Variable, Variables

Effort = Literal["", "low", "medium", "high"]
ResponseFormat = Literal["text", "json", "schema"]
Recording = Literal["none", "metadata", "full"]
Stops = Annotated[list[Annotated[Text, Field(min_length=1, max_length=200)]], Field(max_length=4)]
Category = Annotated[Text, Field(max_length=100)]


class PromptTemplateSettings(BaseModel):
    instructions: str
    prompt: str
    # Those that stand in the texts without a declaration are in here, too: texts that have to be given.
    variables: list[Variable]
    examples: list[Example]
    ai_model: str | None
    temperature: float | None
    top_p: float | None
    reasoning_effort: str
    max_output_tokens: int | None
    stop: list[str]
    response_format: str
    response_schema: dict[str, Any] | None
    recording: str


class PromptTemplateOut(VersionedOut[PromptTemplateSettings]):
    category: str
    # For colleagues; no model sees them.
    notes: str


class PromptTemplateChanges(Changes):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    category: Category | None = None
    notes: Text | None = None
    revision: PositiveInt | None = None
    instructions: Text | None = None
    prompt: Text | None = None
    variables: Variables | None = None
    examples: Examples | None = None
    ai_model: Slug | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: Effort | None = None
    max_output_tokens: PositiveInt | None = None
    stop: Stops | None = None
    response_format: ResponseFormat | None = None
    response_schema: dict[str, Any] | None = None
    recording: Recording | None = None


class NewPromptTemplate(PromptTemplateChanges):
    name: Name
    slug: Slug | None = None
    prompt: Text


class PromptRun(Given):
    # By name: texts, numbers, true or false, lists of texts; images as data URLs.
    variables: dict[str, Any] = Field(default_factory=dict, max_length=100)
    # By default the live version.
    version: PositiveInt | None = None
    # Goes before the template's own model.
    ai_model: Slug | None = None


class PromptReplyOut(BaseModel):
    text: str
    # The parsed answer of templates that ask for JSON.
    data: Any
    prompt_template: str
    version: int | None
    model: str
    usage: UsageOut
    # US dollars as a decimal string.
    cost: str
    trace_id: UUID
    duration_ms: float
    # Whether the text is quoted from what was filled in, because no language model is configured.
    is_extractive: bool
    # Whether the model had to be told once what was wrong with its JSON.
    is_repaired: bool


class TestInputValues(Given):
    values: dict[str, Any] = Field(max_length=100)


class TestInputOut(BaseModel):
    name: str
    values: dict[str, Any]


STREAM: dict[str, Any] = {
    "responses": {
        200: {
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "description": "Events `started`, `text`, and one of `completed` and `error`.",
                    }
                }
            }
        }
    }
}
