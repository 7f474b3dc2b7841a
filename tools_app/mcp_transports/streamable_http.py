"""The usual way to an MCP server at an address: streamable HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from tools_app.mcp_transports.base import Endpoint, Streams, Transport


class StreamableHttp(Transport):
    label: ClassVar[str] = "Streamable HTTP"
    description: ClassVar[str] = "A server at an address. What most servers speak today."
    icon: ClassVar[str] = "cloud"

    @classmethod
    @asynccontextmanager
    async def opened(cls, endpoint: Endpoint) -> AsyncIterator[Streams]:
        from mcp.client.streamable_http import streamable_http_client

        async with (
            endpoint.new_client() as client,
            streamable_http_client(endpoint.url, http_client=client, max_sse_event_size=endpoint.max_bytes) as streams,
        ):
            yield streams
