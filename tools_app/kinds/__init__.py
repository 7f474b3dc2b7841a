"""The kinds of tools; a new one is a file here and a line below."""

from __future__ import annotations

from tools_app.kinds.api import ApiTools
from tools_app.kinds.base import Tool, ToolDescription, ToolResult
from tools_app.kinds.mcp import McpTools
from tools_app.kinds.prompt import PromptTemplates
from tools_app.kinds.rag import RagTools
from tools_app.kinds.retrieval import RetrievalTools

__all__ = ["KINDS", "Tool", "ToolDescription", "ToolResult"]

KINDS: dict[str, type[Tool]] = {
    kind.kind: kind
    for kind in (
        PromptTemplates,
        RetrievalTools,
        RagTools,
        ApiTools,
        McpTools,
    )
}
