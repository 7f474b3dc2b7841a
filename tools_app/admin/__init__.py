"""The admin of tools: RAG and retrieval tools, servers of APIs and MCP, their tools, names for home page and traces."""

from tools_app.admin import (
    api_servers,
    api_tools,
    home,
    mcp_servers,
    mcp_tools,
    rag_tools,
    retrieval_tools,
    trace_names,
    why_not,
)

__all__ = [
    "api_servers",
    "api_tools",
    "home",
    "mcp_servers",
    "mcp_tools",
    "rag_tools",
    "retrieval_tools",
    "trace_names",
    "why_not",
]
