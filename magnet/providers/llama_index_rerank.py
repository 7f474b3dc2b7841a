"""Puts passages into order with a node postprocessor of LlamaIndex that the operator allows, in a thread of its own.

What may be loaded stands in the environment (MAGNET_POSTPROCESSORS), because loading is running: each name leads to a
class, or to a function without arguments that makes one with its settings. Staff choose among the names.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, ClassVar

from django.conf import settings
from pydantic import BaseModel, Field

from magnet.errors import NotConfigured, ProviderAnswerInvalid, ProviderError, ProviderTimedOut
from magnet.providers.base import ChatDelta, ChatReply, ChatRequest, Embeddings, ModelProvider, Reranked

# Those that return few by default are asked for all: how many are wanted is decided here.
EVERY_NODE = 100_000
# A postprocessor that never ends keeps a thread for ever, but of these few only.
THREADS = 4
MOST_KEPT = 20


class LlamaIndexRerankConfig(BaseModel):
    seconds: float = Field(
        10,
        ge=0.1,
        le=120,
        allow_inf_nan=False,
        title="Seconds",
        description="After them the passages keep the order that they had.",
    )


class LlamaIndexRerankProvider(ModelProvider):
    label: ClassVar[str] = "LlamaIndex postprocessor"
    description: ClassVar[str] = (
        "Reranks inside this process with a node postprocessor of LlamaIndex. Which ones there are, the operator says "
        "in MAGNET_POSTPROCESSORS; a model's name is one of theirs."
    )
    Config: ClassVar[type[BaseModel]] = LlamaIndexRerankConfig
    needs_key: ClassVar[bool] = False
    is_built_in: ClassVar[bool] = True

    async def check(self) -> list[str]:
        if not settings.POSTPROCESSORS:
            raise NotConfigured(
                "No postprocessor is allowed. The operator lists them in MAGNET_POSTPROCESSORS, as name=module:Class."
            )
        for name in settings.POSTPROCESSORS:
            await self._in_thread(loaded, name)
        return sorted(settings.POSTPROCESSORS)

    async def rerank(self, query: str, texts: Sequence[str], *, model: str, top_n: int) -> Reranked:
        """The order of what comes back, by its scores where it has some; what does not come back is not scored."""
        return Reranked(tuple((await self._in_thread(ordered, model, query, list(texts)))[:top_n]))

    async def _in_thread(self, work: Any, name: str, *args: Any) -> Any:
        asked = asyncio.get_running_loop().run_in_executor(_threads(), work, name, *args)
        try:
            return await asyncio.wait_for(asked, self.config.seconds)
        except TimeoutError as error:
            raise ProviderTimedOut(f"The postprocessor “{name}” took longer than {self.config.seconds:g} s.") from error

    def refusal(self) -> NotConfigured:
        return NotConfigured(f"The provider “{self.connection.name or self.label}” only reranks. Choose another model.")

    async def chat(self, request: ChatRequest) -> ChatReply:
        raise self.refusal()

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        raise self.refusal()

    async def embed(self, texts: Sequence[str], *, model: str, dimensions: int | None = None) -> Embeddings:
        raise self.refusal()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="postprocessor")


# -- In the thread -------------------------------------------------------------------------------------------------


def loaded(name: str) -> Any:
    """The postprocessor of this name. Raises NotConfigured for one that is not allowed or cannot be made."""
    path = settings.POSTPROCESSORS.get(name)
    if path is None:
        allowed = ", ".join(sorted(settings.POSTPROCESSORS)) or "none"
        raise NotConfigured(f"There is no postprocessor “{name}”. MAGNET_POSTPROCESSORS allows: {allowed}.")
    return made(path)


@lru_cache(maxsize=MOST_KEPT)
def made(path: str) -> Any:
    """Made once: some load weights. LlamaIndex comes with it, and not before."""
    from llama_index.core.postprocessor.types import BaseNodePostprocessor

    module, _, attribute = path.partition(":")
    try:
        postprocessor = getattr(import_module(module), attribute)()
    except Exception as error:  # whatever the code of others raises while it is loaded
        raise NotConfigured(f"The postprocessor {path} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(postprocessor, BaseNodePostprocessor):
        raise NotConfigured(f"{path} is no node postprocessor of LlamaIndex.")
    if "top_n" in type(postprocessor).model_fields:
        postprocessor.top_n = EVERY_NODE
    return postprocessor


def ordered(name: str, query: str, texts: list[str]) -> list[tuple[int, float]]:
    from llama_index.core.schema import NodeWithScore, TextNode

    postprocessor = loaded(name)
    nodes = [NodeWithScore(node=TextNode(id_=str(number), text=text)) for number, text in enumerate(texts)]
    try:
        found = postprocessor.postprocess_nodes(nodes, query_str=query)
    except Exception as error:  # whatever the code of others raises
        raise ProviderError(f"The postprocessor “{name}” failed: {type(error).__name__}: {error}") from error
    return scored(found, count=len(texts), name=name)


def scored(found: Any, *, count: int, name: str) -> list[tuple[int, float]]:
    """Best first. Some only bring nodes into an order, without scores: then the order is the answer."""
    known = {str(number): number for number in range(count)}
    try:
        pairs = [(known[node.node.node_id], node.score) for node in found]
    except (AttributeError, KeyError, TypeError) as error:
        raise ProviderAnswerInvalid(f"The postprocessor “{name}” returned nodes that it was not given.") from error
    if all(score is None for _, score in pairs):
        pairs = [(number, 1 / (rank + 1)) for rank, (number, _) in enumerate(pairs)]
    best: dict[int, float] = {}
    for number, score in pairs:
        if score is not None and math.isfinite(score):
            best.setdefault(number, float(score))
    return sorted(best.items(), key=lambda pair: -pair[1])
