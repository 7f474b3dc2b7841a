"""Azure OpenAI: OpenAI's protocol, where a deployment stands in for the model and each call names an API version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, Field

from magnet.errors import NotConfigured
from magnet.providers.openai import OpenAIConfig, OpenAIProvider

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class AzureOpenAIConfig(OpenAIConfig):
    api_version: str = Field(
        "2024-10-21", title="API version", description="For example 2024-10-21.", pattern=r"^\d{4}-\d{2}-\d{2}"
    )


class AzureOpenAIProvider(OpenAIProvider):
    label: ClassVar[str] = "Azure OpenAI"
    description: ClassVar[str] = "OpenAI's models in your own Azure account. A model's name is its deployment."
    Config: ClassVar[type[BaseModel]] = AzureOpenAIConfig
    needs_base_url: ClassVar[bool] = True
    usual_hosts: ClassVar[tuple[str, ...]] = (
        ".openai.azure.com",
        ".cognitiveservices.azure.com",
        ".services.ai.azure.com",
    )

    def _usual_limit(self) -> str:
        return "max_completion_tokens"

    def _new_client(self, **settings: Any) -> AsyncOpenAI:
        from openai import AsyncAzureOpenAI

        if not self.connection.base_url:
            raise NotConfigured(
                f"{self.who} has no base URL. Enter the endpoint of the Azure resource, "
                f"such as https://our-company.openai.azure.com."
            )
        return AsyncAzureOpenAI(
            azure_endpoint=self.base_url, api_version=self.config.api_version, azure_ad_token=None, **settings
        )
