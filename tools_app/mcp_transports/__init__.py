"""The ways to an MCP server; a new one is a file here and a line below."""

from __future__ import annotations

from magnet.errors import NotConfigured
from tools_app.mcp_transports.base import Endpoint, Streams, Transport
from tools_app.mcp_transports.sse import ServerSentEvents
from tools_app.mcp_transports.stdio import Command
from tools_app.mcp_transports.streamable_http import StreamableHttp

__all__ = ["TRANSPORTS", "Endpoint", "Streams", "Transport", "transport_kind"]

TRANSPORTS: dict[str, type[Transport]] = {
    "streamable_http": StreamableHttp,
    "sse": ServerSentEvents,
    "stdio": Command,
}


def transport_kind(kind: str) -> type[Transport]:
    """Raises NotConfigured for a kind that is not there (any more)."""
    if kind not in TRANSPORTS:
        raise NotConfigured(f"There is no way to MCP servers called “{kind}”. Use one of {', '.join(TRANSPORTS)}.")
    return TRANSPORTS[kind]
