"""Pages of a Notion workspace: all that are shared with an integration, or those of chosen databases."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.base import Content, ListingItem, RemoteDocument
from knowledge.connectors.notion_blocks import Block, markdown_of, properties_of, title_of
from knowledge.connectors.readable import has_readable_name, media_type_of
from knowledge.connectors.rest import RestClient, address_of_api, bearer, needed, quoted
from knowledge.connectors.rest_connector import (
    RestConnector,
    Shape,
    attachment_id,
    file_content,
    parent_and_attachment,
)
from magnet.errors import FetchFailed

# Notion keeps this version of its API for those who name it.
VERSION = "2022-06-28"
AT_ONCE = 100
UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
# Notion tells the time of a change to the minute, so until a minute is over another change would look the same.
SETTLED_AFTER = timedelta(minutes=3)


class NotionConfig(Shape):
    databases: list[str] = Field(
        default=[],
        title="Databases",
        description="Their addresses or ids; empty means every page that is shared with the integration.",
    )
    include_attachments: bool = Field(
        default=True, title="Attachments too", description="Files in the properties of a page."
    )
    api_address: str = Field(
        default="https://api.notion.com",
        title="Address of the API",
        description="Leave it as it is, unless you reach Notion through a gateway of your own.",
    )

    @field_validator("api_address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        return address_of_api(value)

    @field_validator("databases")
    @classmethod
    def are_databases(cls, values: list[str]) -> list[str]:
        for value in values:
            if not UUID.search(value):
                raise ValueError(f"“{value}” holds no id of a database. Copy the link of the database in Notion.")
        return values


class NotionSecrets(Shape):
    token: SecretStr = Field(
        default=SecretStr(""),
        title="Token of the integration",
        description="With the capability “Read content”. Share the pages with the integration.",
    )


class NotionConnector(RestConnector):
    """Lists completely each time, a hundred pages a request, by the moment of the last change; the blocks of a page
    are read only when it has changed. Permissions of single pages are not taken over."""

    label: ClassVar[str] = "Notion"
    description: ClassVar[str] = "Pages and database rows of a Notion workspace that are shared with an integration."
    Config: ClassVar[type[BaseModel]] = NotionConfig
    Secrets: ClassVar[type[BaseModel]] = NotionSecrets
    config: NotionConfig
    secrets: NotionSecrets

    def found(self) -> str:
        me = self.api.get("/v1/users/me")
        first = next(self._pages(), None)
        if first is None:
            return f"The token of “{me.get('name', 'the integration')}” works, but no page is shared with it yet."
        return f"Notion lets “{me.get('name', 'the integration')}” read pages such as “{title_of(first)}”."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        for page in self._pages():
            if page.get("archived") or page.get("in_trash"):
                continue
            document = document_of(page)
            yield document
            if self.config.include_attachments:
                yield from (file_document(page, name) for name in files_of(page) if has_readable_name(name))

    def content_of(self, document: RemoteDocument) -> Content:
        page_id, attachment = parent_and_attachment(document.remote_id)
        page = self.api.get(f"/v1/pages/{quoted(page_id)}")
        if page.get("archived") or page.get("in_trash"):
            raise FetchFailed(f"“{document.title}” is in the trash of Notion. Sync again.")
        if attachment:
            address = files_of(page).get(attachment)
            if not address:
                raise FetchFailed(f"“{document.title}” is no longer attached to its page. Sync again.")
            return file_content(self.api, address, filename=attachment, media_type=document.media_type)
        properties = "".join(f"{name}: {value}  \n" for name, value in properties_of(page))
        text = markdown_of(page_id, children=self._children)
        return Content(f"# {title_of(page)}\n\n{properties}\n{text}".encode(), media_type="text/markdown")

    @cached_property
    def api(self) -> RestClient:
        sign_in = bearer(needed(self.secrets.token, title="Token of the integration"))
        headers = {"Notion-Version": VERSION}
        return RestClient(
            self.config.api_address, name="Notion", client=self.outbound, sign_in=sign_in, headers=headers
        )

    def _pages(self) -> Iterator[dict[str, Any]]:
        questions: list[tuple[str, dict[str, Any]]] = [
            (f"/v1/databases/{database}/query", {}) for database in self._databases()
        ]
        order = {"direction": "ascending", "timestamp": "last_edited_time"}
        search = ("/v1/search", {"filter": {"property": "object", "value": "page"}, "sort": order})
        for path, body in questions or [search]:
            pages = self.api.posted_pages(
                path, {**body, "page_size": AT_ONCE}, parameter="start_cursor", cursor_of=next_cursor
            )
            for page in pages:
                yield from page["results"]

    def _databases(self) -> list[str]:
        found = (UUID.findall(value) for value in self.config.databases)
        return [ids[0] for ids in found if ids]

    def _children(self, block_id: str) -> Iterator[Block]:
        path = f"/v1/blocks/{quoted(block_id)}/children"
        pages = self.api.cursor_pages(path, {"page_size": AT_ONCE}, parameter="start_cursor", cursor_of=next_cursor)
        for page in pages:
            yield from page["results"]


def next_cursor(page: dict[str, Any]) -> str:
    return str(page["next_cursor"]) if page.get("has_more") else ""


def document_of(page: dict[str, Any]) -> RemoteDocument:
    return RemoteDocument(
        remote_id=str(page["id"]),
        title=title_of(page),
        url=str(page.get("url", "")),
        media_type="text/markdown",
        version=version_of(page),
    )


def file_document(page: dict[str, Any], name: str) -> RemoteDocument:
    return RemoteDocument(
        remote_id=attachment_id(str(page["id"]), name),
        title=name,
        url=str(page.get("url", "")),
        media_type=media_type_of(name),
        version=version_of(page),
        metadata={"attached_to": str(page["id"])},
    )


def version_of(page: dict[str, Any]) -> str:
    """The moment of the last change; while its minute may bring another one, a version that is good for once."""
    edited, now = str(page["last_edited_time"]), datetime.now(UTC)
    is_settled = now - datetime.fromisoformat(edited) > SETTLED_AFTER
    return edited if is_settled else f"{edited} seen {now.isoformat()}"


def files_of(page: dict[str, Any]) -> dict[str, str]:
    """Name and present address of the files in the properties of a page; an address is good for an hour."""
    found: dict[str, str] = {}
    for value in (page.get("properties") or {}).values():
        for file in value.get("files") or []:
            address = (file.get("file") or file.get("external") or {}).get("url")
            if address and file.get("name"):
                found.setdefault(str(file["name"]), str(address))
    return found
