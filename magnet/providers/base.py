"""What every model provider promises, as plain values: chat, stream, embed, rerank. No database here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel

from magnet.any_config import AnyConfig
from magnet.errors import NotConfigured

if TYPE_CHECKING:
    # NumPy is loaded by the edges that compute; a process that only serves configuration does without.
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called; `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ChatMessage:
    role: Literal["system", "user", "assistant", "tool"]
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    # Data or https URLs of images, for models that see.
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """A passage of the prompt by its number, for the built-in answerer, which quotes instead of generating."""

    number: int
    text: str
    title: str = ""


@dataclass(frozen=True)
class ChatRequest:
    """One request to a chat model. `model` is the provider's own name for it.

    `options` holds settings in the provider's vocabulary (temperature, top_p, reasoning_effort, stop).
    `question` and `evidence` repeat what the messages say, for providers that cannot read a prompt.
    """

    model: str
    messages: Sequence[ChatMessage]
    max_output_tokens: int | None = None
    response_format: Mapping[str, Any] | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    question: str = ""
    evidence: Sequence[Evidence] = ()


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counts them. `cached_tokens` is a part of `input_tokens`, never beside it;
    `reasoning_tokens` is a part of `output_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class ChatDelta:
    """A part of a streamed reply. Only the last one carries `usage` and `finish_reason`."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    finish_reason: str = ""


@dataclass(frozen=True)
class ChatReply:
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    finish_reason: str = "stop"


@dataclass(frozen=True)
class Embeddings:
    """One vector for each text, in the order asked, of unit length: the rows of a float32 matrix."""

    vectors: NDArray[np.float32]
    usage: Usage = Usage()


@dataclass(frozen=True)
class Reranked:
    """(index, score) of the texts that were given, best first; a text that is missing was not scored."""

    order: tuple[tuple[int, float], ...]
    usage: Usage = Usage()


@dataclass(frozen=True)
class Connection:
    """What a provider needs to be reached; `api_key` is already decrypted or read from the environment.

    `name` is what staff call the provider: errors speak of it.
    """

    base_url: str = ""
    api_key: str = ""
    timeout_seconds: float = 60.0
    name: str = ""


class ModelProvider(ABC):
    """One kind of provider. All failures are ProviderErrors."""

    label: ClassVar[str]
    description: ClassVar[str]
    # Further settings, shown as a form in the admin.
    Config: ClassVar[type[BaseModel]]
    needs_key: ClassVar[bool] = True
    needs_base_url: ClassVar[bool] = False
    # To these, a key from the environment may be sent: hosts, or domains that begin with a dot.
    usual_hosts: ClassVar[tuple[str, ...]] = ()
    # Whether our own limits, retries and prices make no sense, because the model runs inside this process.
    is_built_in: ClassVar[bool] = False

    def __init__(self, connection: Connection, config: Any) -> None:
        self.connection = connection
        self.config = config

    @property
    def texts_per_request(self) -> int:
        """How many texts one embedding request may hold."""
        return 256

    @property
    def tokens_per_request(self) -> int:
        """How many tokens the texts of one embedding request may have together."""
        return 100_000

    @abstractmethod
    async def check(self) -> list[str]:
        """Prove that the provider answers ("Test connection"); returns the names of the models it offers."""

    @abstractmethod
    async def chat(self, request: ChatRequest) -> ChatReply: ...

    @abstractmethod
    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Yield deltas; closing the iterator cancels the call upstream."""

    @abstractmethod
    async def embed(self, texts: Sequence[str], *, model: str, dimensions: int | None = None) -> Embeddings: ...

    async def rerank(self, query: str, texts: Sequence[str], *, model: str, top_n: int) -> Reranked:
        """The texts by how well they answer the query. Most kinds do not offer it."""
        raise NotConfigured(
            f"The provider “{self.connection.name or self.label}” does not rerank. Choose another rerank model."
        )

    async def close(self) -> None:  # noqa: B027 (most kinds that hold nothing need not say so)
        """Release connections."""


class MissingProvider(ModelProvider):
    """Stands in for a kind that a plug-in brought and that is gone; whoever calls its models is told so."""

    label: ClassVar[str] = "Not installed"
    description: ClassVar[str] = "The plug-in that brought this kind of provider is not installed."
    Config: ClassVar[type[BaseModel]] = AnyConfig

    def refusal(self) -> NotConfigured:
        return NotConfigured(
            f"The provider “{self.connection.name}” is of a kind that is not installed. "
            f"Choose another model, or install the plug-in that brings it: see “Plug-ins” in the admin."
        )

    async def check(self) -> list[str]:
        raise self.refusal()

    async def chat(self, request: ChatRequest) -> ChatReply:
        raise self.refusal()

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        raise self.refusal()

    async def embed(self, texts: Sequence[str], *, model: str, dimensions: int | None = None) -> Embeddings:
        raise self.refusal()

    async def rerank(self, query: str, texts: Sequence[str], *, model: str, top_n: int) -> Reranked:
        raise self.refusal()
