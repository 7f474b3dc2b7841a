"""The cast of the tests of agents: a shop with an API and an office with opening hours, and a way to take turns."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from agents import loading, loop
from agents.models import Agent
from agents.turn import Turn
from magnet.database import in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.models import AIModel
from magnet.web.streaming import Event
from tests import factories
from tests.fake_openai import FakeOpenAI, Scripted
from tests.fixtures_api_tools import as_json, server, stored, tool
from tools_app.models import RagTool, RetrievalTool

ROUTES = "You decide what a message"
ORDERS = {"key": "orders", "name": "Orders", "description": "Where an order is, and cancelling it."}
HOURS = {"key": "hours", "name": "Opening hours", "description": "When the offices open and close."}


def action(kind: str, slug: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "slug": slug, **more}


FIND, CANCEL = action("api", "find-orders", name="find"), action("api", "cancel-order", name="cancel")
ASK = action("rag", "office", name="ask")


def make_model(fake: FakeOpenAI, **fields: Any) -> AIModel:
    ensure_default_prompts()
    provider = factories.openai_provider(fake.base_url)
    made = {"slug": "gpt-fake", "name": "GPT", "model_name": "gpt", "purpose": "chat", **fields}
    model = AIModel.objects.create(provider=provider, **made)
    model.make_default()
    return model


def make_office(**tool_settings: Any) -> None:
    """A source about opening hours, a RAG tool and a retrieval tool over it."""
    ensure_default_prompts()
    source = factories.source("office")
    factories.push(
        source,
        riga="# Opening hours in Riga\n\nThe office in Riga opens at nine.",
        oslo="# Opening hours in Oslo\n\nThe office in Oslo opens at ten.",
    )
    settings = {"sources": [source], "minimum_score": 0, **tool_settings}
    described = "Answers questions about the opening hours of our offices."
    RagTool.objects.create_live(slug="office", name="Ask the office", description=described, settings=settings)
    found = {"sources": [source], "minimum_score": 0}
    RetrievalTool.objects.create_live(slug="hours", name="Find hours", description="Finds hours.", settings=found)


def make_shop(api: Any) -> None:
    """An API that finds orders, which changes nothing, and cancels one, which does."""
    api.routes["/orders"] = as_json({"orders": [{"id": 17, "state": "sent"}]})
    api.routes["/cancel"] = as_json({"cancelled": True})
    shop = server(api)
    shop.save()
    number = {"type": "object", "properties": {"id": {"type": "integer"}, "customer": {"type": "string"}}}
    arguments = {**number, "required": ["id"], "additionalProperties": False}
    places = {name: {"in": "query", "name": name} for name in ("id", "customer")}
    stored(tool(shop, places=places, method="GET", arguments=arguments, name="Find orders", slug="find-orders"))
    stored(
        tool(
            shop, path="/cancel", places={name: {"in": "field", "name": name} for name in ("id", "customer")},
            method="POST", arguments=arguments, body_type="application/json", name="Cancel order", slug="cancel-order",
        )
    )  # fmt: skip


def make_agent(*topics: dict[str, Any], slug: str = "support", **settings: Any) -> Agent:
    made: Agent = Agent.objects.create_live(
        slug=slug, name=slug.title(), description="Helps.", settings={"topics": list(topics), **settings}
    )
    return made


def call(name: str, arguments: Any, number: int = 1) -> dict[str, Any]:
    """A call as a provider sends it; `arguments` as JSON, or as the broken text that it is."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": written}}


def calling(*calls: dict[str, Any], text: str | None = None) -> Scripted:
    return Scripted(tool_calls=calls, text=text)


def routed(kind: str = "topic", topic: str = "", confidence: float = 0.9) -> Scripted:
    return Scripted(text=json.dumps({"kind": kind, "topic": topic, "confidence": confidence}))


def is_routing(body: Any) -> bool:
    return ROUTES in str(body["messages"][0]["content"])


@dataclass(frozen=True)
class Told:
    events: list[Event]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.name == name]

    @property
    def names(self) -> list[str]:
        """In their order, neighbours of one name once."""
        names = [event.name for event in self.events]
        return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]

    @property
    def end(self) -> dict[str, Any]:
        assert [event.name for event in self.events].count("completed") == 1
        assert self.events[-1].name == "completed"
        return self.events[-1].data

    @property
    def streamed(self) -> str:
        return "".join(data["text"] for data in self.named("text"))


async def take(
    text: str, *, slug: str = "support", until: Callable[[Event], bool] = lambda event: False, **turn: Any
) -> Told:
    """One turn; it is left as soon as an event is what `until` waits for."""
    agent = await loading.load(slug)
    events = []
    async with aclosing(loop.run(agent, Turn(text, **turn))) as told:
        async for event in told:
            events.append(event)
            if until(event):
                break
    return Told(events)


async def make(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await in_database(work, *args, **kwargs)
