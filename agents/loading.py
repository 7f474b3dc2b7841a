"""What a turn needs to know of an agent, read once and kept: no table is touched between message and answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from agents.models import Action, Agent, AgentVersion, Topic
from magnet import prompts
from magnet.agent_prompts import AGENT_ANSWER, AGENT_CHOOSE_TOPIC, AGENT_SUMMARY
from magnet.database import cached
from magnet.errors import NotFound
from magnet.models import AIModel, PromptTemplate
from magnet.prompt_parts import DefaultPrompt, Variable
from magnet.prompts import LoadedPrompt


@dataclass(frozen=True)
class LoadedAction:
    """A topic's use of a tool. `name` is that of the function; `needs_confirmation` None is as the tool says."""

    key: str
    kind: str
    slug: str
    name: str
    description: str = ""
    fixed_arguments: Mapping[str, Any] = field(default_factory=dict)
    default_arguments: Mapping[str, Any] = field(default_factory=dict)
    needs_confirmation: bool | None = None
    confirms_untrusted: bool = False
    answers_directly: bool = False


@dataclass(frozen=True)
class LoadedTopic:
    key: str
    name: str
    description: str = ""
    instructions: str = ""
    actions: tuple[LoadedAction, ...] = ()


@dataclass(frozen=True)
class Memory:
    """What of a conversation a model is shown: `kind` is messages, tokens or summary; never more than `tokens`."""

    kind: str
    messages: int
    tokens: int


@dataclass(frozen=True)
class Limits:
    """Where a turn ends. `cost` is US dollars; None is no limit."""

    steps: int
    seconds: float
    tokens: int | None = None
    cost: Decimal | None = None


@dataclass(frozen=True)
class Texts:
    """What is said without a model call; an empty one is left to the model."""

    greeting: str
    farewell: str
    unclear: str
    off_topic: str
    limit: str


@dataclass(frozen=True)
class LoadedAgent:
    """A version of an agent with all that it refers to, but for its tools. `versions` is what a trace freezes."""

    slug: str
    name: str
    description: str
    version: int
    topics: tuple[LoadedTopic, ...]
    model: AIModel
    routing: LoadedPrompt
    processing: LoadedPrompt
    summarising: LoadedPrompt
    variables: tuple[Variable, ...]
    memory: Memory
    limits: Limits
    texts: Texts
    versions: dict[str, Any]

    @property
    def is_extractive(self) -> bool:
        """No language model is configured: answers are quotations."""
        return not self.model.can_write

    def topic(self, key: str) -> LoadedTopic | None:
        return next((topic for topic in self.topics if topic.key == key), None)


async def load(slug: str, *, version: int | None = None, draft: bool = False) -> LoadedAgent:
    """The live version, the one of this number, or the draft (the live one where there is none).

    Raises NotFound, and NotConfigured where its model or a prompt template of it cannot be used.
    """
    return await cached(("agent", slug, version, draft), partial(read, slug, version=version, draft=draft))


def read(slug: str, *, version: int | None = None, draft: bool = False) -> LoadedAgent:
    agent = Agent.objects.select_related("live", "draft").filter(slug=slug).first() if "\0" not in slug else None
    if agent is None:
        raise NotFound(f"There is no agent “{slug}”.")
    chosen: AgentVersion = agent.draft if draft and version is None and agent.draft else agent.version(version)
    processing = _prompt(chosen.processing_prompt, AGENT_ANSWER)
    return LoadedAgent(
        slug=slug,
        name=agent.name,
        description=agent.description,
        version=chosen.number,
        topics=tuple(_topic(row) for row in chosen.topic_rows.prefetch_related("actions")),
        model=_model(chosen, processing, of=agent.name),
        routing=_prompt(chosen.routing_prompt, AGENT_CHOOSE_TOPIC),
        processing=processing,
        summarising=_prompt(chosen.summary_prompt, AGENT_SUMMARY),
        variables=chosen.declared(),
        memory=Memory(chosen.memory, chosen.memory_messages, chosen.memory_tokens),
        limits=Limits(chosen.max_steps, float(chosen.max_seconds), chosen.max_tokens, chosen.max_cost),
        texts=_texts(chosen),
        versions=_versions(agent, chosen, processing),
    )


def _topic(row: Topic) -> LoadedTopic:
    actions = tuple(_action(action) for action in row.actions.all())
    return LoadedTopic(row.key, row.name, row.description, row.instructions, actions)


def _action(row: Action) -> LoadedAction:
    return LoadedAction(key=row.key, **{name: getattr(row, name) for name in Action.WRITTEN})


def _prompt(named: PromptTemplate | None, default: DefaultPrompt) -> LoadedPrompt:
    return prompts.read(named.slug if named is not None else default.slug)


def _model(version: AgentVersion, processing: LoadedPrompt, *, of: str) -> AIModel:
    """The agent's own model, else that of its prompt template, else the default."""
    own: AIModel | None = prompts.usable(version.ai_model_id, of=of)
    return own or processing.ai_model or AIModel.objects.default_for("chat")


def _texts(version: AgentVersion) -> Texts:
    return Texts(
        version.greeting_text, version.farewell_text, version.unclear_text, version.off_topic_text, version.limit_text
    )


def _versions(agent: Agent, version: AgentVersion, processing: LoadedPrompt) -> dict[str, Any]:
    return {
        "agent": {"slug": agent.slug, "version": version.number, "id": version.pk, "revision": agent.revision},
        "prompt_template": processing.as_version(),
    }
