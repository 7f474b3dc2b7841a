"""The older way to an MCP server at an address: HTTP with server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import httpx2

from tools_app.mcp_transports.base import Endpoint, Streams, Transport


class ServerSentEvents(Transport):
    label: ClassVar[str] = "Server-sent events (SSE)"
    description: ClassVar[str] = "A server at an address that speaks the older protocol; it often ends in /sse."
    icon: ClassVar[str] = "stream"

    @classmethod
    @asynccontextmanager
    async def opened(cls, endpoint: Endpoint) -> AsyncIterator[Streams]:
        from mcp.client.sse import sse_client

        def ours(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
            return endpoint.new_client()

        async with sse_client(endpoint.url, httpx_client_factory=ours) as streams:
            yield streams
