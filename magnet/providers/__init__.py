"""The kinds of model providers: one file and one line each."""

from __future__ import annotations

from magnet.providers.azure import AzureOpenAIProvider
from magnet.providers.base import MissingProvider, ModelProvider
from magnet.providers.llama_index_rerank import LlamaIndexRerankProvider
from magnet.providers.local import LocalProvider
from magnet.providers.openai import OpenAIProvider

PROVIDERS: dict[str, type[ModelProvider]] = {
    "openai": OpenAIProvider,
    "azure_openai": AzureOpenAIProvider,
    "local": LocalProvider,
    "llama_index_rerank": LlamaIndexRerankProvider,
}


def provider_kind(name: str) -> type[ModelProvider]:
    """The kind of this name; one that says so where a plug-in brought it and is gone."""
    return PROVIDERS.get(name, MissingProvider)
