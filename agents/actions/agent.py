"""Another agent as an action: a message in, its answer out. It has a turn of its own within the turn that calls it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from agents import loading
from agents.actions.base import ActionKind, Around, Function
from agents.loading import LoadedAgent
from magnet.errors import InvalidInput
from magnet.web.streaming import Event
from tools_app.kinds import ToolDescription

ARGUMENTS: dict[str, Any] = {
    "type": "object",
    "properties": {"message": {"type": "string", "description": "All that it has to know: it sees nothing else."}},
    "required": ["message"],
    "additionalProperties": False,
}


class AgentAction(ActionKind):
    label = "Agent"

    async def load(self, slug: str) -> Function:
        return AgentFunction(await loading.load(slug))


@dataclass(frozen=True)
class AgentFunction(Function):
    agent: LoadedAgent

    def description(self) -> ToolDescription:
        agent = self.agent
        return ToolDescription("agent", agent.slug, agent.name, agent.description, ARGUMENTS, agent.version)

    def stream(self, arguments: dict[str, Any], *, around: Around) -> AsyncGenerator[Event, None]:
        message = arguments.get("message")
        if not isinstance(message, str) or not message.strip():
            raise InvalidInput("The argument `message` is missing: a text that says what the agent has to do.")
        return around.run_agent(self.agent, message)

    def read(self, data: dict[str, Any]) -> str:
        return str(data["text"])
