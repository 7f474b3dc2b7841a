"""The workflows that agents may run: each comes with a plug-in, as a file there and a line in its `kinds`."""

from __future__ import annotations

from agents.workflows.base import Workflow

__all__ = ["WORKFLOWS", "Workflow"]

WORKFLOWS: dict[str, type[Workflow]] = {}
