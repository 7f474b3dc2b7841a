"""The admin of tools: RAG tools, and what they bring to the home page and to traces."""

from tools_app.admin import home, rag_tools, trace_names

__all__ = ["home", "rag_tools", "trace_names"]
