"""What makes topics fit for use: their tools exist, their variables are declared, and no agent calls itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import F

from agents.models import targets
from agents.models.topics import Action
from agents.topic_parts import TopicShape, mentioned
from magnet.errors import InvalidInput
from magnet.prompt_parts import Variable, named

# An agent that calls an agent that calls an agent.
DEEPEST_AGENTS = 3


# What an agent fills into each of its prompt templates; that which answers gets the agent's own variables too.
FILLED = {
    "routing_prompt": frozenset({"topics", "previous", "conversation", "message"}),
    "processing_prompt": frozenset({"agent", "instructions", "today", "summary", "message"}),
    "summary_prompt": frozenset({"summary", "conversation"}),
}


def prompt_faults(version: Any, *, variables: Iterable[Variable]) -> dict[str, str]:
    """By the setting, which prompt template needs what this agent does not fill in; it would fail in each turn."""
    own = {variable.name for variable in variables}
    faults = {}
    for setting, filled in FILLED.items():
        template = getattr(version, setting)
        live = template.live if template is not None else None
        known = filled | own if setting == "processing_prompt" else filled
        needed = {variable.name for variable in live.declared() if variable.is_needed} if live else set()
        if unknown := sorted(needed - known):
            faults[setting] = (
                f"The prompt template “{template.name}” needs {named(unknown)}, which the agent does not fill in here. "
                f"It fills in {named(sorted(known))}. Choose another one."
            )
    return faults


def prove_topics(topics: Sequence[TopicShape], *, variables: Iterable[Variable], agent: Any) -> None:
    """Raises InvalidInput naming each topic and action that cannot work."""
    faults: dict[str, list[str]] = {}
    declared = {variable.name for variable in variables}
    for place, topic in enumerate(topics):
        unknown = sorted(mentioned(topic) - declared)
        if unknown:
            faults[f"topics.{place}"] = [
                f"“{topic.name}” mentions {named(unknown)}, which is not among the variables of the agent. "
                "Add it there, or write two braces for one brace."
            ]
        for number, action in enumerate(topic.actions):
            if said := _fault_in(action.kind, action.slug, agent=agent):
                faults[f"topics.{place}.actions.{number}"] = [said]
    if faults:
        raise InvalidInput.in_fields(faults, what="Some topics do not fit")


def _fault_in(kind: str, slug: str, *, agent: Any) -> str:
    if kind not in targets.LABELS:
        return f"There is no kind of action “{kind}”. There are: {', '.join(targets.LABELS)}."
    if targets.find(kind, slug) is None:
        return f"There is no {targets.LABELS[kind]} “{slug}”. Choose another one."
    if kind != targets.AGENT:
        return ""
    chains = list(_chains(slug, seen=(agent.slug,)))
    if agent.slug in {step for chain in chains for step in chain[1:]}:
        return f"“{slug}” calls this agent in turn, and they would never end. Choose another one."
    if max(map(len, chains)) > DEEPEST_AGENTS:
        return f"Agents call agents at most {DEEPEST_AGENTS} deep, and “{slug}” calls further ones. Choose another one."
    return ""


def _chains(slug: str, *, seen: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Each way from the agents before through `slug` and those that it calls, as far as anybody looks."""
    chain = (*seen, slug)
    called = [] if slug in seen or len(chain) > DEEPEST_AGENTS else _called_by(slug)
    if not called:
        yield chain
    for further in called:
        yield from _chains(further, seen=chain)


def _called_by(slug: str) -> list[str]:
    """The agents that the live version of an agent calls."""
    live = Action.objects.filter(topic__version=F("topic__version__identity__live"))
    called = live.filter(kind=targets.AGENT, topic__version__identity__slug=slug)
    return sorted(set(called.values_list("slug", flat=True)))
