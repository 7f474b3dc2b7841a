"""What OpenAI's clients send. Fields that Magnet does not know are passed over: clients send many that nobody set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from magnet.api.schemas import Text
from magnet.prompt_parts import proven_images
from magnet.providers.base import ChatMessage, ToolCall

# Passed on to a model as they are; agents, RAG tools and prompt templates have settings of their own.
OPTIONS = (
    "temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty", "reasoning_effort",
    "tool_choice", "parallel_tool_calls",
)  # fmt: skip
MOST_TEXTS = 2_048


class Sent(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class SentFunction(Sent):
    name: str
    arguments: str = ""


class SentCall(Sent):
    id: str
    function: SentFunction


class SentPart(Sent):
    type: str
    text: str = ""
    image_url: dict[str, Any] | str | None = None


class SentMessage(Sent):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[SentPart] | None = None
    tool_calls: list[SentCall] | None = None
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        parts = self.content or ""
        said = parts if isinstance(parts, str) else "\n".join(part.text for part in parts if part.text)
        return said.replace("\0", " ").encode(errors="ignore").decode()

    @property
    def images(self) -> tuple[str, ...]:
        """Raises InvalidInput for an image that is no data URL: Magnet fetches nothing in the name of a caller."""
        parts = self.content if isinstance(self.content, list) else []
        urls = [part.image_url for part in parts if part.image_url is not None]
        return proven_images(str(url.get("url", "")) if isinstance(url, dict) else url for url in urls)

    def as_chat(self) -> ChatMessage:
        """As a model is shown it."""
        role: Any = "system" if self.role == "developer" else self.role
        calls = tuple(ToolCall(c.id, c.function.name, c.function.arguments) for c in self.tool_calls or ())
        return ChatMessage(role, self.text, calls, self.tool_call_id, self.images)

    def as_said(self) -> ChatMessage:
        """As history of what has instructions of its own: those of the caller are a part of what was said."""
        return ChatMessage("assistant" if self.role == "assistant" else "user", self.text)


class StreamOptions(Sent):
    include_usage: bool = False


class ChatBody(Sent):
    model: Text
    messages: Annotated[list[SentMessage], Field(min_length=1, max_length=1_000)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: int | None = None
    functions: list[Any] | None = None
    metadata: dict[str, Any] | None = None

    @property
    def options(self) -> dict[str, Any]:
        return {name: value for name in OPTIONS if (value := getattr(self, name)) is not None}

    @property
    def includes_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class EmbeddingsBody(Sent):
    model: Text
    # Texts, or as some clients send them: the tokens of cl100k.
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = None

    @property
    def inputs(self) -> Sequence[str | list[int]]:
        """One for each vector."""
        if isinstance(self.input, str):
            return [self.input]
        tokens = [number for number in self.input if isinstance(number, int)]
        return [tokens] if tokens else [one for one in self.input if not isinstance(one, int)]
