"""The admin of tools: RAG tools, servers of APIs and MCP with their tools, names for home page and traces."""

from tools_app.admin import api_servers, api_tools, home, mcp_servers, mcp_tools, rag_tools, trace_names, why_not

__all__ = ["api_servers", "api_tools", "home", "mcp_servers", "mcp_tools", "rag_tools", "trace_names", "why_not"]
