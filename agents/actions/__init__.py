"""The kinds of actions; a new one is a file here and a line below."""

from __future__ import annotations

from agents.actions.agent import AgentAction
from agents.actions.base import ActionKind, Around, Function
from agents.actions.tools import ToolAction
from agents.actions.workflow import WorkflowAction
from tools_app.kinds import KINDS

__all__ = ["ACTIONS", "ActionKind", "Around", "Function"]

ACTIONS: dict[str, ActionKind] = {
    **{name: ToolAction(kind) for name, kind in KINDS.items()},
    "agent": AgentAction(),
    "workflow": WorkflowAction(),
}
