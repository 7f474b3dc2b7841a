"""Node postprocessors of LlamaIndex as an operator might write them, and real ones, one of them over a fake model."""

from __future__ import annotations

import re
import threading
from typing import Any

from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.postprocessor import LLMRerank, LongContextReorder
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

ENDLESS = threading.Event()


class SharedWords(BaseNodePostprocessor):
    """Scores by the words that a text shares with the question; without one it is not scored. Keeps few by itself."""

    top_n: int = 1

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        asked = words(query_bundle.query_str if query_bundle else "")
        for node in nodes:
            node.score = float(len(asked & words(node.node.get_content()))) or None
        return sorted(nodes, key=lambda node: -(node.score or 0))[: self.top_n]


class Failing(BaseNodePostprocessor):
    def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: Any = None) -> list[NodeWithScore]:
        raise RuntimeError("no weights")


class Endless(BaseNodePostprocessor):
    def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: Any = None) -> list[NodeWithScore]:
        ENDLESS.wait(60)
        return nodes


class Inventing(BaseNodePostprocessor):
    def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: Any = None) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text="Buy this."), score=1.0)]


class Choosing(CustomLLM):
    """A language model that finds the documents with the word “dogs”."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        documents = re.findall(r"Document (\d+):\n(.*?)\n", prompt.rpartition("Let's try this now")[2])
        lines = [f"Doc: {number}, Relevance: {9 if 'Dogs' in text else 2}" for number, text in documents]
        return CompletionResponse(text="\n".join(lines[1:]))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise AssertionError("a reranker does not stream")


def by_a_language_model() -> LLMRerank:
    return LLMRerank(llm=Choosing(), choice_batch_size=10)


def turned_around() -> LongContextReorder:
    return LongContextReorder()


def none_at_all() -> str:
    return "postprocessor"


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
