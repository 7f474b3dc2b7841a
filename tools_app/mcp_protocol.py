"""The official SDK, imported when a server is first called: it takes seconds and 16 MB."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

# The ways to a server, which would else be imported one by one on the event loop.
import mcp.client.sse
import mcp.client.stdio
import mcp.client.streamable_http  # noqa: F401
import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError

from magnet.outbound.http import user_agent

# They quote messages and ids of sessions, which are recorded nowhere but in traces; failures are told by ourselves.
for _name in ("mcp", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

__all__ = ["ClientSession", "MCPError", "connected", "types"]


class Client(ClientSession):
    async def validate_tool_result(self, name: str, result: types.CallToolResult) -> None:
        """Not here: the schema is the server's own, and its patterns would run without a limit."""


@asynccontextmanager
async def connected(heard: Any, said: Any) -> AsyncIterator[Client]:
    """A client that has shaken hands. Servers that no longer know the handshake are asked what they are."""
    name, _slash, version = user_agent().partition("/")
    info = types.Implementation(name=name, version=version)
    async with Client(heard, said, client_info=info) as client:
        try:
            await client.initialize()
        except MCPError as error:
            if error.code not in (types.UNSUPPORTED_PROTOCOL_VERSION, types.METHOD_NOT_FOUND):
                raise
            await client.discover()
        yield client
