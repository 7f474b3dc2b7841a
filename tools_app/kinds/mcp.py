"""Tools of MCP servers as tools that a model may call: the approved words out, the server's answer in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from magnet.errors import InvalidInput
from magnet.web.streaming import Event
from tools_app import mcp_calls
from tools_app.kinds.base import Tool, ToolDescription
from tools_app.models import McpTool


@dataclass(frozen=True)
class McpTools(Tool):
    """The slug is “server/tool”."""

    kind: ClassVar[str] = "mcp"
    label: ClassVar[str] = "MCP tool"

    tool: McpTool

    @classmethod
    async def load(cls, slug: str, *, version: int | None = None) -> Self:
        if version is not None:
            raise InvalidInput("MCP tools have no versions: leave `version` out.")
        return cls(await mcp_calls.load(slug))

    def description(self) -> ToolDescription:
        tool = self.tool
        arguments = tool.approved.get("arguments") or {"type": "object", "properties": {}}
        told, name = mcp_calls.told_of(tool), tool.approved.get("title") or tool.name
        return ToolDescription(self.kind, tool.full_slug, name, told, arguments, is_read_only=tool.is_read_only)

    async def stream(self, arguments: dict[str, Any]) -> AsyncGenerator[Event, None]:
        # Before the first event: afterwards it is too late for a status.
        mcp_calls.refuse_unfit(self.tool, arguments)
        yield Event("started", {"tool": self.tool.full_slug})
        called = await mcp_calls.call(self.tool, arguments)
        yield Event("completed", called.as_json())

    def read(self, data: dict[str, Any]) -> str:
        return mcp_calls.as_text(self.tool, data)
