"""Tools as actions: all kinds of them at once, because they look alike already."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from agents.actions.base import ActionKind, Around, Function
from magnet.web.streaming import Event
from tools_app.citations import without_markers
from tools_app.kinds import Tool, ToolDescription


class ToolAction(ActionKind):
    def __init__(self, kind: type[Tool]) -> None:
        self.kind = kind
        self.label = kind.label

    async def load(self, slug: str) -> Function:
        return ToolFunction(await self.kind.load(slug))


@dataclass(frozen=True)
class ToolFunction(Function):
    tool: Tool

    def description(self) -> ToolDescription:
        return self.tool.description()

    def stream(self, arguments: dict[str, Any], *, around: Around) -> AsyncGenerator[Event, None]:
        return self.tool.stream(arguments)

    def read(self, data: dict[str, Any]) -> str:
        if self.tool.kind != "retrieval":
            return self.tool.read(data)
        # The numbers in front of the passages are the only ones that may be cited.
        passages = [{**passage, "text": without_markers(passage["text"])} for passage in data["passages"]]
        return self.tool.read({**data, "passages": passages})
