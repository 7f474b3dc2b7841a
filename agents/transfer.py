"""Moving agents: with the tools that their actions name, and the prompt templates and models that they use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agents.models import Agent, targets
from agents.topic_parts import proved
from magnet.agent_prompts import AGENT_ANSWER, AGENT_CHOOSE_TOPIC, AGENT_SUMMARY
from magnet.transfer.kinds import Described, Kind, Order, Reference
from magnet.transfer.versions import VersionedKind

# What files call the kinds of what an action names; workflows come with a plug-in, and are not moved.
KINDS = {
    "rag": "rag-tools",
    "retrieval": "retrieval-tools",
    "prompt": "prompt-templates",
    "api": "api-tools",
    "mcp": "mcp-servers",
    targets.AGENT: "agents",
}
TOPICS = "topics"
DEFAULTS = {
    "routing_prompt": AGENT_CHOOSE_TOPIC,
    "processing_prompt": AGENT_ANSWER,
    "summary_prompt": AGENT_SUMMARY,
}


class AgentKind(VersionedKind):
    name, model = "agents", Agent
    references = {
        "ai_model": "models",
        "routing_prompt": "prompt-templates",
        "processing_prompt": "prompt-templates",
        "summary_prompt": "prompt-templates",
    }

    def named_in(self, given: Described) -> Iterator[Reference]:
        yield from super().named_in(given)
        for block in self.blocks(given):
            yield from dict.fromkeys(_named_in(block.get(TOPICS)))

    def rests_on(self, given: Described) -> Iterator[str]:
        for version in self.blocks(given):
            yield from (default.slug for field, default in DEFAULTS.items() if not version.get(field))

    def refuse_unknown(self, given: Described, known: tuple[str, ...], *, within: str = "") -> None:
        super().refuse_unknown(given, (*known, TOPICS) if "max_steps" in known else known, within=within)

    def _value(self, model: Any, name: str, value: Any, order: Order) -> Any:
        if name != TOPICS:
            return super()._value(model, name, value, order)
        return [topic.model_dump() for topic in proved(value)]


def _named_in(topics: Any) -> Iterator[Reference]:
    for topic in topics if isinstance(topics, list) else ():
        actions = topic.get("actions") if isinstance(topic, dict) else None
        for action in actions if isinstance(actions, list) else ():
            kind, slug = (action.get("kind"), action.get("slug")) if isinstance(action, dict) else (None, None)
            if kind in KINDS and isinstance(slug, str) and slug:
                # Tools of MCP servers are read from their server on the other side.
                yield Reference(KINDS[kind], slug.partition("/")[0] if kind == "mcp" else slug)


def agent_kinds() -> tuple[Kind, ...]:
    return (AgentKind(),)
