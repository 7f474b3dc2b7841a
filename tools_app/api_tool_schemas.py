"""The JSON of API servers and API tools: what callers send and what they get. Secrets go in and never come out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from magnet.api.schemas import Changes, Given, Name, PositiveInt, Slug, Tags, Text

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
Fields = Annotated[list[Annotated[Text, Field(min_length=1, max_length=500)]], Field(max_length=200)]


class ApiServerChanges(Changes):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    base_url: Annotated[Text, Field(max_length=500)] | None = None
    auth_kind: Annotated[Text, Field(max_length=50)] | None = None
    auth_config: dict[str, Any] | None = None
    # Write-only, and whole. Another address or another kind of sign-in forgets them, so that they go nowhere else.
    secrets: dict[str, Any] | None = None
    headers: dict[str, Text] | None = None
    verifies_tls: bool | None = None
    allows_private_addresses: bool | None = None
    timeout_seconds: float | None = None
    max_response_kb: PositiveInt | None = None
    is_active: bool | None = None
    document_url: Annotated[Text, Field(max_length=500)] | None = None


class NewApiServer(ApiServerChanges):
    name: Name
    slug: Slug | None = None


class ApiServerOut(BaseModel):
    slug: str
    name: str
    description: str
    tags: list[str]
    base_url: str
    auth_kind: str
    auth_config: dict[str, Any]
    has_secrets: bool
    headers: dict[str, str]
    verifies_tls: bool
    allows_private_addresses: bool
    timeout_seconds: float
    max_response_kb: int
    is_active: bool
    document_url: str
    imported_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ApiServerReached(BaseModel):
    message: str


class Import(Given):
    """One of `document` (an object, or JSON or YAML as text) and `url`; neither reads the last address once more."""

    document: dict[str, Any] | str | None = None
    url: Annotated[Text, Field(min_length=1, max_length=500)] | None = None
    # Ids of operations, or "all". By default all at the first import, later those that are tools already.
    operations: Annotated[list[str], Field(max_length=20_000)] | Literal["all"] | None = None
    # Only say what would be done.
    dry_run: bool = False
    # Of a plan that dry_run has shown: when another would be carried out by now, nothing is (409).
    fingerprint: Annotated[Text, Field(max_length=200)] = ""


class FieldChangeOut(BaseModel):
    field: str
    before: str
    after: str


class ImportStep(BaseModel):
    operation: str
    method: str
    path: str
    name: str
    # new, offered (not chosen), changed, unchanged, gone or refused.
    state: str
    # The tool; empty where there is none (yet).
    slug: str
    fields: list[FieldChangeOut]
    # What staff have edited, and the import leaves alone.
    kept: list[str]
    why: str


class ImportOut(BaseModel):
    title: str
    base_url: str
    dry_run: bool
    fingerprint: str
    counts: dict[str, int]
    steps: list[ImportStep]


class ApiToolChanges(Changes):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    method: Method | None = None
    path: Annotated[Text, Field(min_length=1, max_length=2_000)] | None = None
    # A JSON schema of type object.
    arguments: dict[str, Any] | None = None
    # Where each argument goes: {"id": {"in": "path", "name": "id"}}; path, query, header, cookie, field or body.
    places: dict[str, dict[str, Any]] | None = None
    body_type: Annotated[Text, Field(max_length=200)] | None = None
    # Paths such as items.name; empty keeps the whole answer.
    response_fields: Fields | None = None
    mock_response: Annotated[Text, Field(max_length=100_000)] | None = None
    is_mocked: bool | None = None
    is_enabled: bool | None = None


class NewApiTool(ApiToolChanges):
    name: Name
    slug: Slug | None = None
    server: Slug
    path: Annotated[Text, Field(min_length=1, max_length=2_000)]


class ApiToolOut(BaseModel):
    slug: str
    name: str
    description: str
    tags: list[str]
    server: str
    operation: str
    method: str
    path: str
    arguments: dict[str, Any]
    places: dict[str, dict[str, Any]]
    body_type: str
    response_fields: list[str]
    mock_response: str
    is_mocked: bool
    is_enabled: bool
    # Whether a call changes nothing, so that it may be repeated.
    is_read_only: bool
    # The fields that differ from what the last import said; a new import keeps them.
    edited: list[str]
    gone_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ApiToolCall(Given):
    arguments: dict[str, Any] = {}


class ApiToolResult(BaseModel):
    status: int
    is_ok: bool
    media_type: str
    # JSON, or a text; None where the answer was empty or cannot be shown.
    content: Any
    # What is unusual about the answer, a sentence or nothing.
    note: str
    is_mocked: bool
    trace_id: str
    duration_ms: float
