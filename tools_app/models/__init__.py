"""The tables of tools."""

from tools_app.models.api_tools import ApiDocument, ApiServer, ApiTool
from tools_app.models.mcp_tools import McpServer, McpTool
from tools_app.models.rag_tools import RagTool, RagToolSource, RagToolVersion
from tools_app.models.retrieval_tools import RetrievalTool, RetrievalToolSource, RetrievalToolVersion

__all__ = [
    "ApiDocument",
    "ApiServer",
    "ApiTool",
    "McpServer",
    "McpTool",
    "RagTool",
    "RagToolSource",
    "RagToolVersion",
    "RetrievalTool",
    "RetrievalToolSource",
    "RetrievalToolVersion",
]
