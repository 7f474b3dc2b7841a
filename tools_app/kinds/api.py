"""API tools as tools that a model may call: arguments by schema in, the API's answer out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from magnet.errors import InvalidInput
from magnet.web.streaming import Event
from tools_app import api_calls
from tools_app.kinds.base import Tool, ToolDescription
from tools_app.models import ApiTool


@dataclass(frozen=True)
class ApiTools(Tool):
    kind: ClassVar[str] = "api"
    label: ClassVar[str] = "API tool"

    tool: ApiTool

    @classmethod
    async def load(cls, slug: str, *, version: int | None = None) -> Self:
        if version is not None:
            raise InvalidInput("API tools have no versions: leave `version` out.")
        return cls(await api_calls.load(slug))

    def description(self) -> ToolDescription:
        tool = self.tool
        arguments = tool.arguments or {"type": "object", "properties": {}, "additionalProperties": False}
        return ToolDescription(
            self.kind, tool.slug, tool.name, tool.description, arguments, is_read_only=tool.is_read_only
        )

    async def stream(self, arguments: dict[str, Any]) -> AsyncGenerator[Event, None]:
        # Before the first event: afterwards it is too late for a status.
        api_calls.refuse_unfit(self.tool, arguments)
        yield Event("started", {"tool": self.tool.slug, "is_mocked": self.tool.is_mocked})
        called = await api_calls.call(self.tool, arguments)
        yield Event("completed", called.as_json())

    def read(self, data: dict[str, Any]) -> str:
        return api_calls.as_text(data)
