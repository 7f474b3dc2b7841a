"""RAG tools as tools that a model may call: a question in, an answer with citations out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from magnet.errors import InvalidInput
from magnet.web.streaming import Event
from tools_app import rag
from tools_app.kinds.base import Tool, ToolDescription

ARGUMENTS: dict[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": "string", "description": "A whole question, understood without the talk."}},
    "required": ["question"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class RagTools(Tool):
    kind: ClassVar[str] = "rag"
    label: ClassVar[str] = "RAG tool"

    tool: rag.LoadedTool

    @classmethod
    async def load(cls, slug: str, *, version: int | None = None) -> Self:
        return cls(await rag.load(slug, version=version))

    def description(self) -> ToolDescription:
        tool = self.tool
        return ToolDescription(self.kind, tool.slug, tool.name, tool.description, ARGUMENTS, tool.version)

    def stream(self, arguments: dict[str, Any]) -> AsyncGenerator[Event, None]:
        question = arguments.get("question")
        if not isinstance(question, str):
            raise InvalidInput("The argument `question` is missing: a text that asks something.")
        return rag.stream(self.tool, question)

    def read(self, data: dict[str, Any]) -> str:
        return str(data["text"])
