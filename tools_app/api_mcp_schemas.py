"""The JSON of MCP servers and their tools: what callers send and what they get. Secrets never come out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from magnet.api.schemas import Changes, Given, Name, PositiveInt, Slug, Tags, Text


class McpServerChanges(Changes):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    # streamable_http, sse, or stdio: a command, if the operator allows it.
    transport: Annotated[Text, Field(max_length=50)] | None = None
    url: Annotated[Text, Field(max_length=500)] | None = None
    # Of a command: command, arguments, environment, secret_variable.
    config: dict[str, Any] | None = None
    auth_kind: Annotated[Text, Field(max_length=50)] | None = None
    auth_config: dict[str, Any] | None = None
    # Write-only, and whole. Another address, command or kind of sign-in forgets them, so that they go nowhere else.
    secrets: dict[str, Any] | None = None
    headers: dict[str, Text] | None = None
    verifies_tls: bool | None = None
    allows_private_addresses: bool | None = None
    timeout_seconds: float | None = None
    max_response_kb: PositiveInt | None = None
    is_active: bool | None = None


class NewMcpServer(McpServerChanges):
    name: Name
    slug: Slug | None = None


class McpServerOut(BaseModel):
    slug: str
    name: str
    description: str
    tags: list[str]
    transport: str
    url: str
    config: dict[str, Any]
    auth_kind: str
    auth_config: dict[str, Any]
    has_secrets: bool
    headers: dict[str, str]
    verifies_tls: bool
    allows_private_addresses: bool
    timeout_seconds: float
    max_response_kb: int
    is_active: bool
    # What the server calls itself.
    said_name: str
    refresh_note: str
    refreshed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class McpServerReached(BaseModel):
    message: str


class RefreshedOut(BaseModel):
    """Slugs of tools. New and changed ones wait for approval."""

    new: list[str]
    changed: list[str]
    gone: list[str]
    unchanged: list[str]
    note: str


class McpToolOut(BaseModel):
    slug: str
    # As the server calls it.
    name: str
    # In the words of the server, now.
    title: str
    description: str
    arguments: dict[str, Any]
    # Hints of the server, which nothing relies on.
    annotations: dict[str, Any]
    fingerprint: str
    is_approved: bool
    # What was approved last: title, description, arguments, annotations; empty before.
    approved: dict[str, Any]
    approved_at: datetime | None
    approved_by: str
    is_enabled: bool
    is_read_only: bool
    first_seen_at: datetime
    changed_at: datetime
    gone_at: datetime | None


class Approval(Given):
    # Of the words that were read; others are not approved.
    fingerprint: Annotated[Text, Field(max_length=64)] = ""
    # Whether a call changes nothing: agents need not ask then.
    is_read_only: bool | None = None


class McpCall(Given):
    arguments: dict[str, Any] = {}


class McpResult(BaseModel):
    is_ok: bool
    # Blocks as the server sent them: text, image, audio, resource_link, resource.
    content: list[dict[str, Any]]
    structured: Any
    # The content as text.
    text: str
    trace_id: str
    duration_ms: float
