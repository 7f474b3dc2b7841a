"""An installation with one of each thing that can be moved, and a way to empty it."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge.models import KnowledgeSource
from magnet import transfer
from magnet.models import AIModel, PromptTemplate, PromptTestInput, Provider
from tests import factories
from tools_app.models import ApiServer, ApiTool, McpServer, RagTool, RetrievalTool

SECRETS = ("sk-test", "a-password-of-the-shop", "a-token-of-the-wiki", "a-token-of-the-desk")


@pytest.fixture
def house(db) -> dict[str, Any]:
    """Everything that can be moved, with secrets that must stay at home."""
    cloud = factories.openai_provider("https://models.example.com/v1")
    small = AIModel.objects.create(name="Small", slug="small", provider=cloud, model_name="s", purpose="chat")
    large = AIModel.objects.create(
        name="Large", slug="large", provider=cloud, model_name="l", purpose="chat", fallback=small, input_price="0.15"
    )
    template = PromptTemplate.objects.create_live(
        name="Polite", slug="polite", category="Support",
        settings={
            "prompt": "Be polite.\n\n  Answer {question}\nfrom {passages}", "ai_model": large, "temperature": 0.2,
            "variables": [{"name": "question", "description": "Of the customer"}], "stop": ["1e3", "yes"],
            "examples": [{"input": "Hi", "output": "Hello"}], "response_format": "schema",
            "response_schema": {"type": "object", "properties": {"answer": {"type": "string"}}},
        },
    )  # fmt: skip
    template.edit({"prompt": "Be very polite: {question}"})
    PromptTestInput.objects.create(template=template, name="Short", values={"question": "Why?"})
    wiki = factories.source("wiki", chunker_config={}, context_model=small)
    wiki.set_secrets({"token": SECRETS[2]})
    wiki.save()
    wiki.tags.set(["help", "Riga"])
    shop = ApiServer(name="Shop", slug="shop", base_url="https://shop.example.com", auth_kind="bearer")
    shop.set_secrets({"token": SECRETS[1]})
    shop.save()
    orders = {"server": shop, "path": "/orders", "operation": "listOrders", "description": "As we say it"}
    ApiTool.objects.create(
        name="Orders", slug="orders", imported={"description": "As they say it", "path": "/orders"}, **orders
    )
    desk = McpServer(name="Desk", slug="desk", url="https://desk.example.com/mcp", auth_kind="bearer")
    desk.set_secrets({"token": SECRETS[3]})
    desk.save()
    RetrievalTool.objects.create_live(name="Find", slug="find", settings={"sources": [wiki]})
    tool = RagTool.objects.create_live(
        name="Help desk", slug="help-desk", settings={"sources": [wiki], "prompt_template": template, "ai_model": small}
    )
    return {"cloud": cloud, "tool": tool, "template": template, "wiki": wiki, "shop": shop, "desk": desk}


def empty_the_house() -> None:
    tools: tuple[Any, ...] = (RagTool, RetrievalTool, ApiServer, McpServer, PromptTemplate, KnowledgeSource)
    for model in tools:
        model.objects.all().delete()
    AIModel.objects.update(fallback=None)
    AIModel.objects.all().delete()
    Provider.objects.all().delete()


def enter_secrets() -> None:
    """What a person does after an import."""
    cloud = Provider.objects.get(slug="cloud")
    cloud.set_api_key(SECRETS[0])
    cloud.save()
    for model, slug in ((KnowledgeSource, "wiki"), (ApiServer, "shop"), (McpServer, "desk")):
        row = model.objects.get(slug=slug)
        row.set_secrets({"token": "another"})
        row.save()


def everything() -> str:
    return transfer.export(transfer.everything())
