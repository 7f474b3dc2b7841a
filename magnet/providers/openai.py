"""OpenAI, and everybody who speaks its protocol at another address (vLLM, Ollama, Mistral, Groq, …).

The client's own models of replies are passed by: reading the bytes ourselves takes a third of the CPU time for a
stream of 60 deltas (2.9 ms against 8.1) and two thirds for a whole reply. Requests are cast (openai_calls.py).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from magnet.errors import MagnetError, ProviderError, ProviderTimedOut
from magnet.providers import openai_errors as errors
from magnet.providers import openai_wire as wire
from magnet.providers import rerank_wire
from magnet.providers.base import ChatDelta, ChatReply, ChatRequest, Connection, Embeddings, ModelProvider, Reranked
from magnet.providers.openai_calls import Calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2
    from openai import AsyncOpenAI

OPENAI_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 10.0
MAX_CONNECTIONS = 200


class OpenAIConfig(BaseModel):
    organization: str = Field("", title="Organization", description="Only for accounts with several.")
    project: str = Field("", title="Project", description="Only for accounts with several.")
    output_limit: Literal["automatic", "max_completion_tokens", "max_tokens"] = Field(
        "automatic",
        title="Name of the output limit",
        description="OpenAI's models want max_completion_tokens, many other servers know only max_tokens.",
    )
    sends_dimensions: bool = Field(
        False,
        title="Ask for shorter vectors",
        description="Send the model's dimensions with each request. text-embedding-3 models always get them.",
    )
    texts_per_request: int = Field(256, ge=1, le=2048, title="Texts in one embedding request")
    rerank_shape: Literal["documents", "texts"] = Field(
        "documents",
        title="Rerank requests",
        description="Cohere, Jina, vLLM and most others take `documents`; text-embeddings-inference takes `texts`.",
    )


class OpenAIProvider(ModelProvider):
    label: ClassVar[str] = "OpenAI and compatible"
    description: ClassVar[str] = (
        "OpenAI, or any server that speaks its protocol: vLLM, Ollama, Mistral, Groq, OpenRouter, …"
    )
    Config: ClassVar[type[BaseModel]] = OpenAIConfig
    usual_hosts: ClassVar[tuple[str, ...]] = ("api.openai.com",)

    def __init__(self, connection: Connection, config: Any) -> None:
        super().__init__(connection, config)
        self.base_url = (connection.base_url or OPENAI_URL).rstrip("/")
        self.who = f"The provider “{connection.name}”" if connection.name else f"The provider at {self.base_url}"
        self._calls: Calls | None = None
        # Some servers refuse `stream_options`; the first refusal is remembered.
        self._sends_stream_options = True

    @property
    def texts_per_request(self) -> int:
        return int(self.config.texts_per_request)

    async def check(self) -> list[str]:
        with self._translated():
            response = await self._ready_calls().get("/models")
        return wire.model_names(response.content, who=self.who)

    async def chat(self, request: ChatRequest) -> ChatReply:
        response = await self._post("/chat/completions", self._chat_body(request), model=request.model)
        return wire.reply(response.content, who=self.who)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        response = await self._open_stream(request)
        parts = wire.StreamParts(self.who)
        try:
            async for data in self._received(response):
                if text := parts.take(data):
                    yield ChatDelta(text=text)
        finally:
            # Also when our caller leaves: closing the response closes the connection, which stops the model.
            await response.aclose()
        yield parts.last_delta()

    async def embed(self, texts: Sequence[str], *, model: str, dimensions: int | None = None) -> Embeddings:
        body: dict[str, Any] = {"model": model, "input": list(texts), "encoding_format": "base64"}
        if dimensions and (self.config.sends_dimensions or "text-embedding-3" in model):
            body["dimensions"] = dimensions
        response = await self._post("/embeddings", body, model=model)
        return wire.embeddings(response.content, count=len(texts), who=self.who)

    async def rerank(self, query: str, texts: Sequence[str], *, model: str, top_n: int) -> Reranked:
        body = rerank_wire.body(query, texts, model=model, top_n=top_n, shape=self.config.rerank_shape)
        response = await self._post("/rerank", body, model=model)
        return rerank_wire.reranked(response.content, count=len(texts), top_n=top_n, who=self.who)

    async def close(self) -> None:
        if self._calls is not None:
            calls, self._calls = self._calls, None
            await calls.client.close()

    # -- The call ---------------------------------------------------------------------------------------------

    async def _post(self, path: str, body: Mapping[str, Any], *, model: str) -> httpx2.Response:
        with self._translated(model=model):
            return await self._ready_calls().post(path, body)

    async def _open_stream(self, request: ChatRequest) -> httpx2.Response:
        body = {**self._chat_body(request), "stream": True}
        if not self._sends_stream_options:
            return await self._post_streamed(body, model=request.model)
        try:
            return await self._post_streamed({**body, "stream_options": {"include_usage": True}}, model=request.model)
        except ProviderError as error:
            if "stream_options" not in error.detail:
                raise
            self._sends_stream_options = False
            return await self._post_streamed(body, model=request.model)

    async def _post_streamed(self, body: Mapping[str, Any], *, model: str) -> httpx2.Response:
        with self._translated(model=model):
            return await self._ready_calls().post("/chat/completions", body, is_streamed=True)

    async def _received(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        """The bytes of a stream as they arrive, with the transport's errors told as ours."""
        import httpx2

        try:
            async for data in response.aiter_bytes():
                yield data
        except httpx2.TimeoutException as error:
            raise ProviderTimedOut(
                f"{self.who} went silent in mid-stream for {self.connection.timeout_seconds:g} seconds. Try again."
            ) from error
        except httpx2.HTTPError as error:
            raise ProviderError(f"{self.who} stopped in mid-stream. Try again.") from error

    def _chat_body(self, request: ChatRequest) -> dict[str, Any]:
        limit = self.config.output_limit
        return wire.chat_body(request, output_limit=self._usual_limit() if limit == "automatic" else limit)

    def _usual_limit(self) -> str:
        return "max_completion_tokens" if self.base_url == OPENAI_URL else "max_tokens"

    # -- The client -------------------------------------------------------------------------------------------

    def _ready_calls(self) -> Calls:
        if self._calls is None:
            # Making a client reads certificates: 20 ms, once for each event loop.
            http = self._http_client()
            client = self._new_client(api_key=self.connection.api_key or "none", max_retries=0, http_client=http)
            # The client reads these two from the environment where they are not given; ours come from the row.
            client.organization = self.config.organization or None
            client.project = self.config.project or None
            self._calls = Calls(client, http)
        return self._calls

    def _new_client(self, **settings: Any) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        return AsyncOpenAI(base_url=self.base_url, **settings)

    def _http_client(self) -> httpx2.AsyncClient:
        import httpx2

        # It tells of every request; what is worth telling stands on the span.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        from magnet.outbound.async_transport import CheckedAsyncTransport

        return httpx2.AsyncClient(
            transport=CheckedAsyncTransport(max_connections=MAX_CONNECTIONS),
            timeout=httpx2.Timeout(self.connection.timeout_seconds, connect=CONNECT_SECONDS),
            # A redirect would carry the key to an address that nobody entered.
            follow_redirects=False,
        )

    @contextmanager
    def _translated(self, *, model: str = "") -> Iterator[None]:
        """Tell the client's errors as ours."""
        from openai import OpenAIError

        try:
            yield
        except MagnetError:
            raise
        except OpenAIError as error:
            if isinstance(error.__cause__, MagnetError):
                raise error.__cause__ from error
            raise errors.translated(error, who=self.who, model=model, connection=self.connection) from error
