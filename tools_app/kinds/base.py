"""What every kind of tool can do, so that agents, callers and transfers treat all of them alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from magnet.web.streaming import Event


@dataclass(frozen=True)
class ToolDescription:
    """What a model is told of a tool, and what people call it. `arguments` is a JSON schema of type object."""

    kind: str
    slug: str
    name: str
    description: str
    arguments: dict[str, Any]
    # None where the kind has no versions.
    version: int | None = None
    # Whether a call changes nothing anywhere, so that it may be repeated and needs no confirmation.
    is_read_only: bool = True


@dataclass(frozen=True)
class ToolResult:
    """`text` is what a model reads of it; `data` is the whole result, as the API shows it."""

    text: str
    data: dict[str, Any]


class Tool(ABC):
    """One tool, loaded for one call. A kind is a subclass in a file of its own, and a line in KINDS."""

    kind: ClassVar[str]
    label: ClassVar[str]

    @classmethod
    @abstractmethod
    async def load(cls, slug: str, *, version: int | None = None) -> Self:
        """The tool as callers get it, or its version of this number. Raises NotFound."""

    @abstractmethod
    def description(self) -> ToolDescription:
        """What it is, does and takes."""

    @abstractmethod
    def stream(self, arguments: dict[str, Any]) -> AsyncGenerator[Event, None]:
        """The call in events, the last of which is `completed` with the data of the result.

        Closing the generator stops the call. Raises InvalidInput for arguments that do not fit, and MagnetErrors.
        """

    @abstractmethod
    def read(self, data: dict[str, Any]) -> str:
        """What a model reads of a result."""

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """The whole call at once; raises as `stream` does."""
        data: dict[str, Any] = {}
        async with aclosing(self.stream(arguments)) as events:
            async for event in events:
                data = event.data if event.name == "completed" else data
        return ToolResult(self.read(data), data)
