"""The tables of tools."""

from tools_app.models.rag_tools import RagTool, RagToolSource, RagToolVersion

__all__ = ["RagTool", "RagToolSource", "RagToolVersion"]
