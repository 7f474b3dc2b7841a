"""Cuts many texts into embedding requests that a provider takes, and puts the vectors back into the order asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from magnet.providers.base import Embeddings, ModelProvider, Usage
from magnet.together import all_or_none

PARALLEL_BATCHES = 4
# Fewer than in any language: a batch must not turn out larger than the provider takes.
FEWEST_CHARACTERS_PER_TOKEN = 2
# A token is at least one byte, and a character at most four; most texts are cleared by this without being counted.
MOST_BYTES_PER_CHARACTER = 4


@dataclass(frozen=True)
class Batch:
    positions: list[int]
    texts: list[str]

    @property
    def bytes(self) -> int:
        return sum(len(text.encode(errors="replace")) for text in self.texts)


def batches(texts: Sequence[str], *, provider: ModelProvider, max_input_tokens: int) -> list[Batch]:
    """Sorted by length, because many models take as long for every text of a request as for its longest."""
    fitting = list(texts) if provider.is_built_in else [cut(text, max_tokens=max_input_tokens) for text in texts]
    found: list[Batch] = []
    tokens = 0
    for position in sorted(range(len(fitting)), key=lambda i: len(fitting[i])):
        text = fitting[position]
        size = len(text) // FEWEST_CHARACTERS_PER_TOKEN + 1
        is_full = found and (
            len(found[-1].texts) >= provider.texts_per_request or tokens + size > provider.tokens_per_request
        )
        if not found or is_full:
            found.append(Batch([], []))
            tokens = 0
        found[-1].positions.append(position)
        found[-1].texts.append(text)
        tokens += size
    return found


def cut(text: str, *, max_tokens: int) -> str:
    """No longer than the model reads, and never empty, which most providers refuse."""
    if len(text) * MOST_BYTES_PER_CHARACTER > max_tokens and len(text.encode(errors="replace")) > max_tokens:
        from magnet.tokens import truncate

        text = truncate(text, max_tokens)
    return text or " "


async def embed_in_order(
    wanted: Sequence[Batch], *, dimensions: int, embed: Callable[[Batch], Awaitable[Embeddings]]
) -> Embeddings:
    """Some at the same time; the first failure ends them all."""
    import numpy as np

    if len(wanted) == 1 and wanted[0].positions == [0]:
        return await embed(wanted[0])
    done = await all_of(wanted, embed)
    vectors = np.empty((sum(len(batch.texts) for batch in wanted), dimensions), np.float32)
    for batch, found in zip(wanted, done, strict=True):
        vectors[batch.positions] = found.vectors
    return Embeddings(vectors, Usage(input_tokens=sum(found.usage.input_tokens for found in done)))


async def all_of(wanted: Sequence[Batch], embed: Callable[[Batch], Awaitable[Embeddings]]) -> list[Embeddings]:
    places = asyncio.Semaphore(PARALLEL_BATCHES)

    async def in_place(batch: Batch) -> Embeddings:
        async with places:
            return await embed(batch)

    return await all_or_none([in_place(batch) for batch in wanted])
