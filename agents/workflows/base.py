"""What a plug-in says of a LlamaIndex workflow, so that an agent can run it like any tool."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Workflow(ABC):
    """One workflow. `arguments` is a JSON schema of type object; they are given to the workflow's `run` by name."""

    label: ClassVar[str] = ""
    description: ClassVar[str] = ""
    arguments: ClassVar[dict[str, Any]] = {"type": "object", "properties": {}}
    # Whether it changes nothing anywhere, so that nobody need be asked before.
    is_read_only: ClassVar[bool] = False

    @abstractmethod
    def build(self) -> Any:
        """A LlamaIndex `Workflow`, made anew for each run."""

    def read(self, result: Any) -> str:
        """What a model reads of what the workflow returned."""
        return str(result)

    def text_of(self, event: Any) -> str:
        """What an event of the workflow's stream says to the person meanwhile; "" for nothing.

        By itself, the texts of events with a `delta`, as LlamaIndex' own have.
        """
        said = getattr(event, "delta", "")
        return said if isinstance(said, str) else ""
