"""Prompt templates as tools that a model may call: values for the variables in, the answer of another model out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic_core import to_json

from magnet import prompts
from magnet.database import cached
from magnet.models import PromptTemplate
from magnet.prompt_parts import Variable, values_for
from magnet.web.prompt_events import events
from magnet.web.streaming import Event
from tools_app.kinds.base import Tool, ToolDescription

SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string"}},
    "image": {"type": "string", "description": "A data URL."},
}


@dataclass(frozen=True)
class PromptTemplates(Tool):
    kind: ClassVar[str] = "prompt"
    label: ClassVar[str] = "Prompt template"

    prompt: prompts.LoadedPrompt
    told: str

    @classmethod
    async def load(cls, slug: str, *, version: int | None = None) -> Self:
        prompt = await prompts.load(slug, version=version)
        return cls(prompt, await cached(("prompt_template_description", slug), lambda: _description(slug)))

    def description(self) -> ToolDescription:
        prompt = self.prompt
        return ToolDescription(
            self.kind, prompt.slug, prompt.name, self.told, schema_of(prompt.variables), prompt.version
        )

    def stream(self, arguments: dict[str, Any]) -> AsyncGenerator[Event, None]:
        values_for(self.prompt.variables, arguments)
        return events(self.prompt, arguments)

    def read(self, data: dict[str, Any]) -> str:
        return str(data["text"]) if data["data"] is None else to_json(data["data"]).decode()


def schema_of(variables: tuple[Variable, ...]) -> dict[str, Any]:
    properties = {
        each.name: {**SCHEMAS[each.type], **({"description": each.description} if each.description else {})}
        for each in variables
    }
    required = [each.name for each in variables if each.is_needed]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _description(slug: str) -> str:
    return str(PromptTemplate.objects.filter(slug=slug).values_list("description", flat=True).first() or "")
