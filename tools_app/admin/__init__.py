"""The admin of tools: RAG tools, and what they bring to the home page."""

from tools_app.admin import home, rag_tools

__all__ = ["home", "rag_tools"]
