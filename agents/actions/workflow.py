"""LlamaIndex workflows of plug-ins as actions: their events become ours, and leaving cancels the run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from agents.actions.base import ActionKind, Around, Function
from agents.workflows import WORKFLOWS, Workflow
from magnet.errors import MagnetError, NotFound, ToolError
from magnet.web.streaming import Event
from tools_app.kinds import ToolDescription


class WorkflowAction(ActionKind):
    label = "Workflow"

    async def load(self, slug: str) -> Function:
        if slug not in WORKFLOWS:
            raise NotFound(f"There is no workflow “{slug}”. Install the plug-in that brings it.")
        return WorkflowFunction(slug, WORKFLOWS[slug]())


@dataclass(frozen=True)
class WorkflowFunction(Function):
    slug: str
    workflow: Workflow

    def description(self) -> ToolDescription:
        told = self.workflow
        return ToolDescription(
            "workflow", self.slug, told.label, told.description, told.arguments, is_read_only=told.is_read_only
        )

    async def stream(self, arguments: dict[str, Any], *, around: Around) -> AsyncGenerator[Event, None]:
        yield Event("started", {"workflow": self.slug})
        handler = self.workflow.build().run(**arguments)
        try:
            async for event in handler.stream_events():
                if text := self.workflow.text_of(event):
                    yield Event("text", {"text": text})
            text = self.workflow.read(await handler)
        except MagnetError:
            raise
        # A workflow is somebody else's code, and raises what it likes.
        except Exception as error:
            raise ToolError(f"The workflow “{self.workflow.label}” failed: {error}") from error
        finally:
            if not handler.is_done():
                await handler.cancel_run()
        yield Event("completed", {"text": text})

    def read(self, data: dict[str, Any]) -> str:
        return str(data["text"])
