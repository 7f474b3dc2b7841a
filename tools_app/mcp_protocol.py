"""The official SDK, imported when a server is first called: it takes seconds and 16 MB."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

# The ways to a server, which would else be imported one by one on the event loop.
import mcp.client.sse
import mcp.client.stdio
import mcp.client.streamable_http
import mcp_types as types
from anyio import EndOfStream
from anyio.streams.text import TextReceiveStream
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError

from magnet.errors import FetchFailed
from magnet.outbound.http import user_agent
from tools_app.mcp_wire import current_wire

# They quote messages and ids of sessions, which are recorded nowhere but in traces; failures are told by ourselves.
for _name in ("mcp", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

# The longest message of a command. The SDK puts a line together for as long as it does not end.
LONGEST_LINE = 20_000_000


class BoundedLines(TextReceiveStream):
    """What a command writes, until one line of it grows too long: then the connection is over."""

    length = 0

    async def receive(self) -> str:
        text = await super().receive()
        ended = text.rfind("\n")
        self.length = len(text) - ended - 1 if ended >= 0 else self.length + len(text)
        if self.length > LONGEST_LINE:
            if (wire := current_wire()) is not None:
                said = f"The command wrote a message of more than {LONGEST_LINE:,} characters, so it was ended."
                wire.failure = FetchFailed(said, reason="too_large")
            # Else the SDK would read what still comes, without an end, before it says that this is one.
            await self.transport_stream.aclose()
            raise EndOfStream
        # A command that never stops talking leaves a turn to everybody else.
        await asyncio.sleep(0)
        return text


# The SDK has no setting for it.
mcp.client.stdio.TextReceiveStream = BoundedLines  # type: ignore[attr-defined]  # its own import

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
