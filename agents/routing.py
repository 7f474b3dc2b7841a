"""Which topic a message belongs to: by a small call of a model, or by likeness where there is no language model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from agents.loading import LoadedAgent, LoadedTopic
from agents.memory import lines
from agents.turn import Turn
from magnet import prompt_runs
from magnet.errors import ProviderAnswerInvalid
from magnet.providers import local_embeddings
from magnet.tracing import SpanRecord, span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["topic", "greeting", "farewell", "unclear", "off_topic"]
KINDS: tuple[Kind, ...] = ("topic", "greeting", "farewell", "unclear", "off_topic")
# What the model that chooses is shown at most.
HISTORY_MESSAGES, HISTORY_CHARACTERS, TURN_CHARACTERS = 6, 4_000, 1_000
MESSAGE_CHARACTERS, DESCRIPTION_CHARACTERS = 4_000, 1_000
# Likeness of a message and the description of its topic is seldom lower; see the tests.
LEAST_LIKENESS = 0.12
GREETING = re.compile(
    r"(hi|hello|hey|good (morning|afternoon|evening|day)|hallo|guten (tag|morgen)|hola|bonjour)\b.{0,12}"
)
FAREWELL = re.compile(r"(bye|goodbye|thanks|thank you|thx|cheers|danke|tschüss|merci|gracias|adiós)\b.{0,20}")


@dataclass(frozen=True)
class Route:
    """Where a message goes. `topic` is None where it goes nowhere, and `kind` says why."""

    kind: Kind
    topic: LoadedTopic | None
    confidence: float

    def as_json(self) -> dict[str, Any]:
        topic = self.topic
        return {
            "key": topic.key if topic else "",
            "name": topic.name if topic else "",
            "kind": self.kind,
            "confidence": round(self.confidence, 3),
        }


async def choose(agent: LoadedAgent, turn: Turn) -> Route:
    """The route of a turn. Raises ProviderErrors; an answer that cannot be read is made up for by likeness."""
    if len(agent.topics) == 1:
        return Route("topic", agent.topics[0], 1.0)
    with span("choose topic", topics=len(agent.topics)) as step:
        route = await _chosen(agent, turn, step)
        step.set(**route.as_json())
    return route


async def _chosen(agent: LoadedAgent, turn: Turn, step: SpanRecord) -> Route:
    model = agent.routing.ai_model or agent.model
    if not model.can_write:
        return await by_likeness(agent, turn)
    try:
        reply = await prompt_runs.run(agent.routing, _given(agent, turn), model=model)
    except ProviderAnswerInvalid as error:
        step.fail(error)
        return await by_likeness(agent, turn)
    return _read(agent, turn, reply.data)


def _given(agent: LoadedAgent, turn: Turn) -> dict[str, Any]:
    topics = "\n".join(
        f"- {topic.key}: {topic.name}. {' '.join(topic.description[:DESCRIPTION_CHARACTERS].split())}"
        for topic in agent.topics
    )
    said = lines(turn.history[-HISTORY_MESSAGES:], characters=HISTORY_CHARACTERS, each=TURN_CHARACTERS)
    given = {
        "topics": topics,
        "previous": turn.topic,
        "conversation": said,
        "message": turn.text[:MESSAGE_CHARACTERS],
    }
    declared = {variable.name for variable in agent.routing.variables}
    return {name: value for name, value in given.items() if name in declared}


def _read(agent: LoadedAgent, turn: Turn, said: Any) -> Route:
    """What a model said, as far as it can be: a topic that is not there is no topic."""
    said = said if isinstance(said, dict) else {}
    confidence = said.get("confidence")
    sure = float(confidence) if isinstance(confidence, int | float) else 0.0
    kind = said.get("kind")
    if kind in KINDS and kind != "topic":
        return Route(kind, None, sure)
    topic = agent.topic(str(said.get("topic", "")))
    return Route("topic", topic, sure) if topic else Route("unclear", None, 0.0)


# -- By likeness -----------------------------------------------------------------------------------------------------


async def by_likeness(agent: LoadedAgent, turn: Turn) -> Route:
    """By the built-in embeddings; what is like no topic stays with the topic of before."""
    text = " ".join(turn.text.casefold().split())
    if GREETING.fullmatch(text):
        return Route("greeting", None, 1.0)
    if FAREWELL.fullmatch(text):
        return Route("farewell", None, 1.0)
    described = tuple(_described(topic) for topic in agent.topics)
    likeness = await asyncio.to_thread(likeness_to, turn.text, described)
    best = max(range(len(described)), key=likeness.__getitem__)
    if likeness[best] >= LEAST_LIKENESS:
        return Route("topic", agent.topics[best], likeness[best])
    before = agent.topic(turn.topic)
    return Route("topic", before, likeness[best]) if before else Route("unclear", None, likeness[best])


def _described(topic: LoadedTopic) -> str:
    actions = " ".join(action.description for action in topic.actions)
    return f"{topic.name}. {topic.description} {actions}"[:DESCRIPTION_CHARACTERS]


def likeness_to(text: str, described: Sequence[str]) -> list[float]:
    """The cosine of the text with each of the descriptions."""
    own, _ = local_embeddings.embed([text[:MESSAGE_CHARACTERS]])
    return [float(cosine) for cosine in _vectors(tuple(described)) @ own[0]]


@lru_cache(maxsize=200)
def _vectors(described: tuple[str, ...]) -> NDArray[np.float32]:
    vectors, _ = local_embeddings.embed(described)
    return vectors
