"""What of a conversation the model is shown: the last messages, within a budget of tokens, after a summary or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from pydantic_core import to_json

from agents.delimiting import delimited
from agents.loading import LoadedAgent, Memory
from agents.turn import Said, Step, Turn
from magnet import prompt_runs
from magnet.gateway import BYTES_PER_TOKEN
from magnet.providers.base import ChatMessage, ToolCall

# What calls of earlier answers brought is shown for the last answers only, and shortened.
ANSWERS_WITH_STEPS, STEP_CHARACTERS = 2, 1_000
# What a summary is made of at once; more is never read.
MOST_SUMMARISED_CHARACTERS = 60_000
LONGEST_SUMMARY = 4_000
TURN_CHARACTERS = 4_000
EVERYTHING = 1_000


def recalled(agent: LoadedAgent, turn: Turn) -> tuple[ChatMessage, ...]:
    """The messages before this one, oldest first; the oldest are left out first."""
    memory = agent.memory
    shown = _last(turn.history, memory)
    kept: list[list[ChatMessage]] = []
    room = memory.tokens
    for back, said in enumerate(reversed(shown)):
        messages = _messages(said, with_steps=back // 2 < ANSWERS_WITH_STEPS)
        room -= sum(tokens(message.text) for message in messages)
        if room < 0:
            break
        kept.append(messages)
    # A conversation begins with a person.
    ordered = list(reversed(kept))
    while ordered and ordered[0][-1].role == "assistant":
        del ordered[0]
    return tuple(message for messages in ordered for message in messages)


def tokens(text: str) -> int:
    """Near enough for any script, and no work."""
    return len(text.encode(errors="replace")) // BYTES_PER_TOKEN + 4


def _last(history: Sequence[Said], memory: Memory) -> Sequence[Said]:
    count = EVERYTHING if memory.kind == "tokens" else memory.messages
    return history[-count:] if count else ()


def _messages(said: Said, *, with_steps: bool) -> list[ChatMessage]:
    if said.role == "user":
        return [ChatMessage("user", said.text)]
    steps = said.steps if with_steps else ()
    calls = tuple(ToolCall(step.call_id, step.name, _arguments(step)) for step in steps)
    results = [
        ChatMessage("tool", delimited(step.result[:STEP_CHARACTERS]), tool_call_id=step.call_id) for step in steps
    ]
    asked = [ChatMessage("assistant", "", calls)] if calls else []
    return [*asked, *results, ChatMessage("assistant", said.text)]


def _arguments(step: Step) -> str:
    return to_json(step.arguments).decode()


# -- The summary ---------------------------------------------------------------------------------------------------


def due(agent: LoadedAgent, history: Sequence[Said]) -> int:
    """How many of the oldest messages belong into the summary: none before twice as many as are shown have come."""
    memory = agent.memory
    beyond = len(history) - memory.messages
    return beyond if memory.kind == "summary" and not agent.is_extractive and beyond > memory.messages else 0


async def summarised(agent: LoadedAgent, history: Sequence[Said], *, summary: str = "") -> str:
    """The summary of `summary` and of all of `history`. One call of a model; raises as prompt_runs.run does."""
    told = lines(history, characters=MOST_SUMMARISED_CHARACTERS)
    given = {"summary": summary, "conversation": told}
    model = agent.summarising.ai_model or agent.model
    reply = await prompt_runs.run(agent.summarising, given, model=model)
    return reply.text.strip()[:LONGEST_SUMMARY]


def lines(history: Sequence[Said], *, characters: int, each: int = TURN_CHARACTERS) -> str:
    """The end of what was said, a line each, within so many characters."""
    left = characters

    def fits(line: str) -> bool:
        nonlocal left
        left -= len(line) + 1
        return left >= 0

    return "\n".join(reversed(list(takewhile(fits, _newest_first(history, each=each)))))


def _newest_first(history: Sequence[Said], *, each: int) -> Iterable[str]:
    return (f"{said.role}: {' '.join(said.text[:each].split())}" for said in reversed(history))
