"""The admin of tools: RAG tools, API servers and their tools, and what they bring to the home page and to traces."""

from tools_app.admin import api_servers, api_tools, home, rag_tools, trace_names, why_not

__all__ = ["api_servers", "api_tools", "home", "rag_tools", "trace_names", "why_not"]
