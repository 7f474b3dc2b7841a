"""The kinds of model providers: one file and one line each."""

from __future__ import annotations

from magnet.providers.azure import AzureOpenAIProvider
from magnet.providers.base import ModelProvider
from magnet.providers.local import LocalProvider
from magnet.providers.openai import OpenAIProvider

PROVIDERS: dict[str, type[ModelProvider]] = {
    "openai": OpenAIProvider,
    "azure_openai": AzureOpenAIProvider,
    "local": LocalProvider,
}
