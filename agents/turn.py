"""What a turn is given and what it leaves behind, as values that can be stored as JSON and read in another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import TypeAdapter
from pydantic import ValidationError as ShapeError

from magnet.errors import InvalidInput
from magnet.providers.base import ChatMessage


class Stored:
    """As JSON and back; of what is missing, the defaults."""

    def as_json(self) -> dict[str, Any]:
        stored: dict[str, Any] = _shape(type(self)).dump_python(self, mode="json")
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Raises InvalidInput for what is no stored value of this kind."""
        try:
            value: Self = _shape(cls).validate_python(dict(stored))
        except ShapeError as error:
            raise InvalidInput(f"What was stored of the turn cannot be read: {error.errors()[0]['msg']}.") from error
        return value


_shapes: dict[type, TypeAdapter[Any]] = {}


def _shape(kind: type) -> TypeAdapter[Any]:
    if kind not in _shapes:
        _shapes[kind] = TypeAdapter(kind)
    return _shapes[kind]


@dataclass(frozen=True)
class Step(Stored):
    """One call of an action, and what came of it. `action` is its key, `name` what the model calls it."""

    call_id: str
    action: str
    name: str
    arguments: dict[str, Any]
    result: str
    is_error: bool = False


@dataclass(frozen=True)
class Said(Stored):
    """What one side said before; of the assistant, also what it did for that."""

    role: Literal["user", "assistant"]
    text: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class ConfirmationAnswer(Stored):
    """What a person says to one call that waits."""

    call_id: str
    is_approved: bool
    comment: str = ""


@dataclass(frozen=True)
class Call(Stored):
    """A call that the model wants; `written` is the JSON of its arguments as the model wrote it.

    `arguments` are those that will really be sent. `result` is None as long as the call has not been made.
    """

    call_id: str
    name: str
    written: str
    action: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    result: str | None = None
    is_error: bool = False


@dataclass(frozen=True)
class Spent(Stored):
    """What a turn took so far. `cost` is US dollars."""

    steps: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    seconds: float = 0.0


@dataclass(frozen=True)
class Paused(Stored):
    """A turn that waits for a person: all that another process needs to go on with it, beside the turn itself.

    `messages` were exchanged in this turn, `calls` are those of its last step in the order of the model, and
    `passages` are those found so far, under their numbers.
    """

    agent: str
    version: int
    topic: str
    text: str = ""
    messages: tuple[ChatMessage, ...] = ()
    calls: tuple[Call, ...] = ()
    steps: tuple[Step, ...] = ()
    passages: tuple[dict[str, Any], ...] = ()
    spent: Spent = Spent()


@dataclass(frozen=True)
class Turn:
    """What a turn begins with. To go on after a pause, the same turn with `paused` and the `answers` to its calls.

    `history` is what was said before and is not in `summary`; `topic` is the key of the last turn's topic, and
    `approved` holds the keys of the actions that need no further confirmation in this conversation.
    """

    text: str
    images: tuple[str, ...] = ()
    history: tuple[Said, ...] = ()
    summary: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    topic: str = ""
    approved: frozenset[str] = frozenset()
    paused: Paused | None = None
    answers: tuple[ConfirmationAnswer, ...] = ()
