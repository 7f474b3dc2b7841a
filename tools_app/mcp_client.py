"""Speaks with MCP servers: lists their tools and calls them, within limits, and says in words what went wrong.

listing = await mcp_client.listed(server)
answer = await mcp_client.called(server, "weather", {"city": "Riga"})
"""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from magnet.errors import FetchFailed, MagnetError, ToolError, ToolTimedOut
from tools_app import api_sign_in, mcp_sessions
from tools_app.api_responses import without
from tools_app.mcp_sessions import MAX_LISTING_BYTES, Session
from tools_app.mcp_wire import Wire, watched
from tools_app.models import McpServer

T = TypeVar("T")

MOST_TOOLS = 1_000
MOST_PAGES = 200
MOST_SAID = 300
# Of one tool: models read it with every request.
LONGEST_DESCRIPTION, LONGEST_ARGUMENTS = 20_000, 200_000
# Control characters, marks of direction, and what has no meaning anywhere.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


@dataclass(frozen=True)
class ToolSaid:
    """A tool in the words of its server."""

    name: str
    title: str
    description: str
    arguments: dict[str, Any]
    annotations: dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """The tools of a server; `note` says what is left out, a sentence or nothing."""

    said_name: str
    tools: tuple[ToolSaid, ...]
    note: str = ""
    is_complete: bool = True


@dataclass(frozen=True)
class Answer:
    """What a tool answered: blocks of content as JSON. An error of the tool is an answer, too."""

    is_error: bool
    content: list[dict[str, Any]] = field(default_factory=list)
    structured: Any = None


async def listed(server: McpServer) -> Listing:
    """Raises ToolError, ToolTimedOut, AddressRefused and NotConfigured, each a sentence."""
    return await _asked(server, _listed, max_bytes=MAX_LISTING_BYTES, is_repeatable=True)


async def called(server: McpServer, name: str, arguments: dict[str, Any]) -> Answer:
    """Raises as `listed` does. A call that may have reached the server is not repeated."""

    async def call(session: Session) -> Answer:
        result = await session.client.call_tool(name, arguments, allow_input_required=True)
        return _answer(result, server)

    return await _asked(server, call, max_bytes=server.max_response_kb * 1024, is_repeatable=False)


async def check(server: McpServer) -> str:
    """Prove that the server answers and takes the sign-in: one sentence of good news, or a MagnetError."""
    listing = await listed(server)
    name = f"“{listing.said_name}” answers" if listing.said_name else "The server answers"
    count = f"{len(listing.tools):,} tools" if len(listing.tools) != 1 else "one tool"
    return f"{name} and offers {count}. {listing.note}".strip()


# -- Asking within limits ------------------------------------------------------------------------------------------


async def _asked(
    server: McpServer, ask: Callable[[Session], Awaitable[T]], *, max_bytes: int, is_repeatable: bool
) -> T:
    """Asks once more where a session that was kept turns out to be over, and the server has not acted."""
    try:
        async with asyncio.timeout(server.timeout_seconds):
            try:
                return await _once(server, ask, Wire(max_bytes))
            except SessionOver as over:
                if not (over.is_unheard or is_repeatable) or over.was_new:
                    raise
            return await _once(server, ask, Wire(max_bytes))
    except TimeoutError as error:
        said = f"“{server.name}” did not answer within {server.timeout_seconds:g} seconds."
        raise ToolTimedOut(said, reason="timeout") from error


async def _once(server: McpServer, ask: Callable[[Session], Awaitable[T]], wire: Wire) -> T:
    async with _session(server) as session:
        from tools_app.mcp_protocol import MCPError

        was_new = session.is_new
        try:
            with watched(wire):
                return await ask(session)
        except MCPError as error:
            raise _refused(server, session, wire, error, was_new=was_new) from error
        except (ValidationError, RuntimeError) as error:
            said = f"“{server.name}” answered with something that is not MCP. Tell whoever runs it."
            raise ToolError(said, reason="protocol") from error


@asynccontextmanager
async def _session(server: McpServer) -> AsyncIterator[Session]:
    session = mcp_sessions.session_of(server)
    async with session.in_use():
        try:
            await session.opened()
        except MagnetError:
            raise
        except (Exception, BaseExceptionGroup) as error:
            # Whatever the SDK, the network or a command raises where a session is opened becomes our own error.
            raise _unopened(server, session.wire, error) from error
        yield session


class SessionOver(ToolError):
    """The connection ended under a call."""

    def __init__(self, detail: str, *, is_unheard: bool, was_new: bool) -> None:
        super().__init__(detail, reason="broken")
        # The server has not acted on it, so that it may be sent again.
        self.is_unheard = is_unheard
        self.was_new = was_new


# -- What went wrong -----------------------------------------------------------------------------------------------


def _unopened(server: McpServer, wire: Wire, error: BaseException) -> MagnetError:
    seen = [*_leaves(error)]
    for one in (*seen, wire.failure):
        if isinstance(one, FetchFailed):
            return ToolError(one.detail, reason=one.extra.get("reason", ""))
        if isinstance(one, MagnetError):
            return one
    if told := _told_by_status(server, wire):
        return told
    if any(isinstance(one, TimeoutError) for one in seen):
        return ToolTimedOut(f"“{server.name}” did not answer within {server.timeout_seconds:g} seconds.")
    if not server.transport_class.has_address:
        if any(isinstance(one, OSError) for one in seen):
            return ToolError(f"The command {server.place} cannot be started: check that it is there and executable.")
        return ToolError(f"The command {server.place} started, and ended or did not speak MCP. Try it by hand.")
    return ToolError(f"{server.place} does not speak MCP as “{server.transport_class.label}”. Check the address.")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _told_by_status(server: McpServer, wire: Wire) -> MagnetError | None:
    if wire.location:
        return ToolError(
            f"{server.place} sends us to {wire.location}, which is not followed. If that is the server, enter its "
            "address.",
            reason="redirect",
        )
    if wire.status in (401, 403):
        return ToolError(
            f"{server.place} refuses the sign-in (status {wire.status}). Check the headers and secrets.",
            reason="refused",
        )
    if wire.status >= 400:
        return ToolError(f"{server.place} answers with status {wire.status}. Check the address.", reason="status")
    return None


def _refused(server: McpServer, session: Session, wire: Wire, error: Any, *, was_new: bool) -> MagnetError:
    from tools_app.mcp_protocol import types

    failure = wire.failure or _said_too_much(session)
    if failure is not None and not isinstance(failure, FetchFailed):
        return failure if isinstance(failure, MagnetError) else ToolError(str(failure))
    if failure is not None and failure.extra.get("reason") == "too_large":
        return ToolError(failure.detail, reason="too_large")
    is_forgotten = wire.status == 404
    if is_forgotten or error.code == types.CONNECTION_CLOSED or failure is not None:
        session.die()
        is_unheard = is_forgotten or (failure is not None and failure.extra.get("reason") in ("refused", "dns", "tls"))
        if is_unheard:
            said = failure.detail if failure is not None else f"{server.place} has forgotten us (status 404)."
        else:
            said = (
                f"“{server.name}” broke off in the middle: the server ended or restarted. What was asked may have "
                "been done; look there before you try again."
            )
        return SessionOver(said, is_unheard=is_unheard, was_new=was_new)
    if told := _told_by_status(server, wire):
        return told
    said = _cleaned(str(error.message)[:MOST_SAID], server)
    return ToolError(f"“{server.name}” refuses this: {said.rstrip('.')}.", reason="refused")


def _said_too_much(session: Session) -> FetchFailed | None:
    """What a command wrote belongs to no call, but ends the one that waits."""
    failure = session.wire.failure
    if isinstance(failure, FetchFailed) and failure.extra.get("reason") == "too_large" and not session.is_usable:
        return failure
    return None


def _cleaned(text: str, server: McpServer) -> str:
    """Without the secrets that it may have repeated, and storable."""
    return without(text.replace("\0", "").encode("utf-8", "replace"), _secrets(server)).decode("utf-8", "replace")


def _secrets(server: McpServer) -> set[str]:
    return {str(value) for value in server.secrets.values()} | api_sign_in.token_of(server)


# -- Tools ---------------------------------------------------------------------------------------------------------


async def _listed(session: Session) -> Listing:
    from tools_app.mcp_protocol import types

    client, server = session.client, session.server
    found: dict[str, ToolSaid] = {}
    cursor: str | None = None
    seen: set[str] = set()
    for _page in range(MOST_PAGES):
        page = await client.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
        for tool in page.tools:
            found.setdefault(tool.name, _said(tool, server))
        cursor = page.next_cursor
        if not cursor or cursor in seen or len(found) > MOST_TOOLS:
            break
        seen.add(cursor)
    return _listing(_named(client.server_info), found, is_complete=not cursor)


def _named(info: Any) -> str:
    return str(getattr(info, "title", None) or getattr(info, "name", "") or "").replace("\0", "")[:200]


def _listing(said_name: str, found: dict[str, ToolSaid], *, is_complete: bool) -> Listing:
    usable = [tool for name, tool in found.items() if _is_usable(name, tool)]
    notes = []
    if len(usable) > MOST_TOOLS or not is_complete:
        many = f"{len(usable):,}" if is_complete else f"more than {min(len(usable), MOST_TOOLS):,}"
        notes.append(
            f"The server lists {many} tools. Magnet keeps the first {MOST_TOOLS:,}: no model can choose among more. "
            "Ask for a smaller list."
        )
    if len(usable) < len(found):
        left_out = len(found) - len(usable)
        notes.append(f"{left_out:,} have a name or arguments that cannot be used and are left out.")
    is_whole = is_complete and len(usable) <= MOST_TOOLS
    return Listing(said_name, tuple(usable[:MOST_TOOLS]), " ".join(notes), is_whole)


def _is_usable(name: str, tool: ToolSaid) -> bool:
    is_small = len(json.dumps([tool.arguments, tool.annotations])) <= LONGEST_ARGUMENTS
    return bool(name.strip()) and len(name) <= 200 and name.isprintable() and is_small


def _said(tool: Any, server: McpServer) -> ToolSaid:
    hints = tool.annotations.model_dump(by_alias=True, exclude_none=True) if tool.annotations else {}
    title = tool.title or hints.pop("title", "") or ""
    said = {
        "title": readable(title[:200]),
        "description": readable((tool.description or "")[:LONGEST_DESCRIPTION]),
        "arguments": tool.input_schema,
        "annotations": hints,
    }
    cleaned: dict[str, Any] = json.loads(_without_nul(said))
    return ToolSaid(tool.name.replace("\0", ""), **cleaned)


def readable(text: str) -> str:
    """Without characters that nobody sees: whoever approves a text must see all that a model reads."""
    return "".join(
        " " if unicodedata.category(letter) in UNSEEN and letter not in "\n\t" else letter for letter in text
    )


def _without_nul(value: Any) -> str:
    """PostgreSQL stores no NUL, whoever has sent it."""
    return json.dumps(value).replace("\\u0000", "")


# -- Answers -------------------------------------------------------------------------------------------------------


def _answer(result: Any, server: McpServer) -> Answer:
    from tools_app.mcp_protocol import types

    if not isinstance(result, types.CallToolResult):
        raise ToolError(f"“{server.name}” asks a person for more before it answers, which Magnet does not do.")
    value = {"content": [_block(block) for block in result.content], "structured": result.structured_content}
    text = json.dumps(value)
    if len(text) > server.max_response_kb * 1024:
        said = f"The answer is larger than {server.max_response_kb:,} KB, the most that is read of this server."
        raise ToolError(said, reason="too_large")
    cleaned: dict[str, Any] = json.loads(without(_without_nul(value).encode(), _secrets(server)))
    return Answer(result.is_error, cleaned["content"], cleaned["structured"])


def _block(block: Any) -> dict[str, Any]:
    said: dict[str, Any] = block.model_dump(mode="json", by_alias=True, exclude_none=True)
    said.pop("_meta", None)
    said.pop("annotations", None)
    return said
