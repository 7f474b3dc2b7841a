"""The provider that is always there: embeddings from weights in a wheel, and answers made of quotations."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, Field

from magnet.providers import extractive, local_embeddings
from magnet.providers.base import ChatDelta, ChatReply, ChatRequest, Embeddings, ModelProvider, Usage

CHAT_MODEL, EMBEDDING_MODEL = "extractive", "wordllama-256"
# Up to here the work takes less than a millisecond, and a thread would cost more than it spares.
INLINE_CHARACTERS = 2_000
WORDS_PER_DELTA = 4
CHARACTERS_PER_WORD = 12

T = TypeVar("T")


class LocalConfig(BaseModel):
    max_sentences: int = Field(3, ge=1, le=4, title="Sentences quoted", description="The most that one answer quotes.")


class LocalProvider(ModelProvider):
    label: ClassVar[str] = "Built in"
    description: ClassVar[str] = (
        "Needs no key and no network: small embeddings, and answers that quote the passages word for word."
    )
    Config: ClassVar[type[BaseModel]] = LocalConfig
    needs_key: ClassVar[bool] = False
    is_built_in: ClassVar[bool] = True

    async def check(self) -> list[str]:
        await self.embed(["hello"], model=EMBEDDING_MODEL)
        return [CHAT_MODEL, EMBEDDING_MODEL]

    async def chat(self, request: ChatRequest) -> ChatReply:
        return await self._inline_or_in_thread(answered, request, self.config.max_sentences, size=size(request))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        reply = await self.chat(request)
        for part in in_deltas(reply.text):
            yield ChatDelta(text=part)
            # Lets the part leave before the next one is made, as with any model.
            await asyncio.sleep(0)
        yield ChatDelta(usage=reply.usage, finish_reason=reply.finish_reason)

    async def embed(self, texts: Sequence[str], *, model: str, dimensions: int | None = None) -> Embeddings:
        vectors, tokens = await self._inline_or_in_thread(local_embeddings.embed, texts, size=sum(map(len, texts)))
        return Embeddings(vectors, Usage(input_tokens=tokens))

    async def _inline_or_in_thread(self, work: Callable[..., T], *args: Any, size: int) -> T:
        if size <= INLINE_CHARACTERS and local_embeddings.is_loaded():
            return work(*args)
        return await asyncio.to_thread(work, *args)


def size(request: ChatRequest) -> int:
    """In characters."""
    return sum(len(message.text) for message in request.messages) + sum(len(p.text) for p in request.evidence)


def answered(request: ChatRequest, max_sentences: int) -> ChatReply:
    text = extractive.answer(request.question, evidence=request.evidence, max_sentences=max_sentences)
    usage = Usage(
        input_tokens=local_embeddings.count_tokens([message.text for message in request.messages]),
        output_tokens=local_embeddings.count_tokens([text]),
    )
    return ChatReply(text, usage=usage)


def in_deltas(text: str) -> Iterator[str]:
    """A few words at a time; without spaces, as many characters as such words have."""
    pieces = re.findall(rf"\s*\S{{1,{CHARACTERS_PER_WORD}}}", text)
    for start in range(0, len(pieces), WORDS_PER_DELTA):
        yield "".join(pieces[start : start + WORDS_PER_DELTA])
