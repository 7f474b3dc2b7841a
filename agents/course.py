"""One turn on its way: what was said, called, found and spent so far, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from agents.found import Found
from agents.loading import LoadedAgent, LoadedTopic
from agents.offering import Offered, Variables
from agents.turn import Call, ConfirmationAnswer, Paused, Spent, Step, Turn
from magnet.providers.base import ChatMessage, Usage
from magnet.tracing import Stretch, TraceRecord
from magnet.web.streaming import Event

# What of a result is kept with the message.
STEP_CHARACTERS = 4_000
PARAGRAPH = "\n\n"


@dataclass
class Course:
    """`depth` counts agents that call agents; the one that a person talks with is the first."""

    agent: LoadedAgent
    turn: Turn
    variables: Variables
    trace: TraceRecord
    taken: Stretch
    tell: Callable[[Event], None]
    depth: int = 1
    topic: LoadedTopic | None = None
    offered: Mapping[str, Offered] = field(default_factory=dict)
    recalled: tuple[ChatMessage, ...] = ()
    summary: str = ""
    # Of this turn: calls and their results, as the model sees them.
    messages: list[ChatMessage] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    found: Found = field(default_factory=Found)
    cited: set[int] = field(default_factory=set)
    asked: int = 0
    stopped_by: str = ""
    is_cut_off: bool = False
    # Calls that wait for a person; the turn pauses with them.
    waiting: tuple[Call, ...] = ()
    _texts: list[str] = field(default_factory=list)
    _before: Spent = field(default_factory=Spent)
    _breaks: bool = False

    def go_on(self, paused: Paused) -> None:
        """Take up a turn where it has paused."""
        self.messages, self.steps = list(paused.messages), list(paused.steps)
        self.found = Found(paused.passages)
        self.cited = {passage["number"] for passage in paused.passages if passage.get("is_cited")}
        self._texts, self._before, self.asked = [paused.text] if paused.text else [], paused.spent, paused.spent.steps
        self._breaks = bool(paused.text)

    # -- Telling -----------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        if self._breaks and text:
            text, self._breaks = PARAGRAPH + text.lstrip(), False
        if text:
            self._texts.append(text)
            self.tell(Event("text", {"text": text}))

    def begin_paragraph(self) -> None:
        """What is said from here on stands apart from what was said before."""
        self._breaks = bool(self._texts)

    def stop(self, reason: str) -> None:
        """A limit ends the turn: with what is known, and a sentence that says so."""
        self.stopped_by = reason
        self.begin_paragraph()
        self.say(self.agent.texts.limit)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def note(self, call: Call, result: str, *, is_error: bool) -> None:
        kept = result if len(result) <= STEP_CHARACTERS else f"{result[:STEP_CHARACTERS]}…"
        self.steps.append(Step(call.call_id, call.action, call.name, call.arguments, kept, is_error))

    # -- Confirmations -----------------------------------------------------------------------------------------------

    @property
    def has_read(self) -> bool:
        """Whether the model has before it what tools or documents say."""
        earlier = any(said.steps for said in self.turn.history) or bool(self.turn.summary)
        return earlier or any(message.role == "tool" for message in self.messages)

    def answer_to(self, call: Call) -> ConfirmationAnswer | None:
        return next((answer for answer in self.turn.answers if answer.call_id == call.call_id), None)

    # -- Limits ------------------------------------------------------------------------------------------------------

    def exceeded(self) -> str:
        """Which limit forbids asking the model again: tokens or cost; "" where none does."""
        limits, spent = self.agent.limits, self.spent()
        if limits.tokens is not None and spent.input_tokens + spent.output_tokens >= limits.tokens:
            return "tokens"
        return "cost" if limits.cost is not None and spent.cost >= limits.cost else ""

    def seconds_left(self) -> float:
        return max(0.0, self.agent.limits.seconds - self._before.seconds)

    def spent(self) -> Spent:
        usage, before = self.usage(), self._before
        return Spent(
            steps=self.asked,
            input_tokens=before.input_tokens + usage.input_tokens,
            output_tokens=before.output_tokens + usage.output_tokens,
            cost=before.cost + self.taken.cost,
            seconds=before.seconds + self.duration_ms() / 1_000,
        )

    def usage(self) -> Usage:
        """Of this part of the turn, everything that it called included."""
        return self.taken.usage

    def duration_ms(self) -> float:
        return self.taken.elapsed_ms()

    # -- The end -----------------------------------------------------------------------------------------------------

    def paused(self) -> Paused | None:
        if not self.waiting:
            return None
        return Paused(
            agent=self.agent.slug,
            version=self.agent.version,
            topic=self.topic.key if self.topic else "",
            text=self.text,
            messages=tuple(self.messages),
            calls=self.waiting,
            steps=tuple(self.steps),
            passages=tuple(self.found.cited(self.cited)),
            spent=self.spent(),
        )

    def completed(self) -> dict[str, Any]:
        """The whole turn, as the last event tells it. Money is a decimal string."""
        paused, spent = self.paused(), self.spent()
        usage = {**asdict(self.usage()), "input_tokens": spent.input_tokens, "output_tokens": spent.output_tokens}
        return {
            "status": "awaiting_confirmation" if paused else "done",
            "text": self.text,
            "topic": self.topic.key if self.topic else self.turn.topic,
            "steps": [step.as_json() for step in self.steps],
            "passages": self.found.cited(self.cited),
            "usage": usage,
            "cost": format(spent.cost.normalize(), "f"),
            "agent": self.agent.slug,
            "version": self.agent.version,
            "model": self.agent.model.slug,
            "is_extractive": self.agent.is_extractive,
            "is_cut_off": self.is_cut_off,
            "trace_id": str(self.trace.id),
            "duration_ms": round(spent.seconds * 1_000, 1),
            "stopped_by": self.stopped_by,
            "paused": paused.as_json() if paused else None,
        }
