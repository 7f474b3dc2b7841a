"""What an action calls, whatever its kind: described to a model, called in events, and read by the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnet.web.streaming import Event
from tools_app.kinds.base import ToolDescription

if TYPE_CHECKING:
    from agents.loading import LoadedAgent

# An agent with what it is told: the loop stands above the actions, so it hands itself in.
RunAgent = Callable[["LoadedAgent", str], AsyncGenerator[Event, None]]


@dataclass(frozen=True)
class Around:
    """What a call may need of the turn in which it is made."""

    run_agent: RunAgent


class Function(ABC):
    """What one action calls, loaded for a turn."""

    @abstractmethod
    def description(self) -> ToolDescription:
        """What it is, does and takes."""

    @abstractmethod
    def stream(self, arguments: dict[str, Any], *, around: Around) -> AsyncGenerator[Event, None]:
        """The call in events, the last of which is `completed` with the data of the result; closing it stops the call.

        Raises InvalidInput for arguments that do not fit, and MagnetErrors.
        """

    @abstractmethod
    def read(self, data: dict[str, Any]) -> str:
        """What a model reads of a result."""


class ActionKind(ABC):
    """How the functions of one kind are found."""

    label: str

    @abstractmethod
    async def load(self, slug: str) -> Function:
        """Raises NotFound, and NotConfigured for what cannot be used."""
