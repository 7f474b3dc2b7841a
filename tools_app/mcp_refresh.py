"""Reads the tools of an MCP server anew: what is new or changed waits until a person approves it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from magnet.database import in_database
from magnet.errors import Conflict, NotFound
from magnet.models import AuditEntry
from tools_app import mcp_client
from tools_app.mcp_client import Listing, ToolSaid
from tools_app.models import McpServer, McpTool


@dataclass(frozen=True)
class Refreshed:
    """Slugs of tools by what became of them; `note` says what was left out."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    note: str = ""


async def refresh(server: McpServer) -> Refreshed:
    """Raises as `mcp_client.listed`; then nothing has changed here."""
    listing = await mcp_client.listed(server)
    return await in_database(store, server, listing)


@transaction.atomic
def store(server: McpServer, listing: Listing) -> Refreshed:
    # One after the other: two refreshes at once would add each tool twice.
    if McpServer.objects.select_for_update(no_key=True).filter(pk=server.pk).values("pk").first() is None:
        raise NotFound(f"“{server}” was deleted.")
    known = {tool.name: tool for tool in server.tools.all()}
    slugs = {tool.slug for tool in known.values()}
    found: dict[str, list[str]] = {"new": [], "changed": [], "unchanged": [], "gone": []}
    for said in listing.tools:
        tool = known.pop(said.name, None)
        if tool is None:
            found["new"].append(_added(server, said, slugs=slugs).slug)
        else:
            found["changed" if _taken_over(tool, said) else "unchanged"].append(tool.slug)
    if listing.is_complete:
        found["gone"] = _gone(known)
    server.note_refresh(said_name=listing.said_name, note=listing.note)
    AuditEntry.record("refreshed", server)
    return Refreshed(**{state: tuple(slugs) for state, slugs in found.items()}, note=listing.note)


def _added(server: McpServer, said: ToolSaid, *, slugs: set[str]) -> McpTool:
    tool = McpTool(server=server, name=said.name, slug=_free_slug(said.name, taken=slugs))
    slugs.add(tool.slug)
    _set(tool, said)
    tool.save()
    return tool


def _free_slug(name: str, *, taken: set[str]) -> str:
    base = slugify(name.replace("_", "-").replace(".", "-"))[:90].strip("-") or "tool"
    while "--" in base:
        base = base.replace("--", "-")
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def _taken_over(tool: McpTool, said: ToolSaid) -> bool:
    """Whether the server says something else than before, or has the tool again."""
    before, was_gone = tool.fingerprint, tool.gone_at is not None
    _set(tool, said)
    if tool.fingerprint == before and not was_gone:
        return False
    tool.gone_at, tool.changed_at = None, timezone.now()
    tool.save()
    return True


def _set(tool: McpTool, said: ToolSaid) -> None:
    words = {name: value for name, value in asdict(said).items() if name in McpTool.SAID}
    for name, value in words.items():
        setattr(tool, name, value)
    tool.fingerprint = McpTool.fingerprint_of(words)


def _gone(left: dict[str, McpTool]) -> list[str]:
    gone = [tool for tool in left.values() if tool.gone_at is None]
    McpTool.objects.filter(pk__in=[tool.pk for tool in gone]).update(gone_at=timezone.now())
    return [tool.slug for tool in gone]


@transaction.atomic
def approve(tool: McpTool, *, by: str, fingerprint: str = "") -> McpTool:
    """Let models read what the server says now. With the fingerprint of what was read, nothing else is approved."""
    tool = McpTool.objects.select_for_update(no_key=True, of=("self",)).select_related("server").get(pk=tool.pk)
    if fingerprint and fingerprint != tool.fingerprint:
        raise Conflict(f"“{tool.name}” has changed since you read it. Read it once more, then approve it.")
    tool.approve(by=by)
    AuditEntry.record("approved", tool)
    return tool
