"""Pages and attachments of a Confluence wiki, in Atlassian's cloud or in a data center of one's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.base import Content, ListingItem, RemoteDocument
from knowledge.connectors.confluence_permissions import CloudReaders, DataCenterReaders, PageReaders
from knowledge.connectors.permissions import Groups
from knowledge.connectors.readable import is_readable
from knowledge.connectors.rest import RestClient, address_of_api, basic, bearer, needed, quoted
from knowledge.connectors.rest_connector import (
    RestConnector,
    Shape,
    attachment_id,
    counted,
    file_content,
    html_content,
    parent_and_attachment,
)
from magnet.errors import SourceError
from magnet.outbound.http import OutboundClient

PAGES_AT_ONCE = 250
# A data center sends the attachments of each page along, so fewer pages at once.
PAGES_WITH_ATTACHMENTS = 50
SPACES_NAMED = 5


class ConfluenceConfig(Shape):
    edition: Literal["cloud", "data_center"] = Field(
        default="cloud",
        title="Edition",
        description="Cloud: the address ends in atlassian.net. Data center: a server of your own.",
        json_schema_extra={"labels": {"cloud": "Confluence Cloud", "data_center": "Confluence Data Center"}},
    )
    address: str = Field(
        title="Address", description="Such as https://example.atlassian.net or https://wiki.example.com/confluence."
    )
    email: str = Field(default="", title="E-mail", description="Of the account that the API token belongs to (cloud).")
    spaces: list[str] = Field(
        default=[], title="Spaces", description="Their keys, such as HELP; empty means all that the account may read."
    )
    include_blog_posts: bool = Field(default=False, title="Blog posts too")
    include_attachments: bool = Field(
        default=True, title="Attachments too", description="Those in a format that can be read."
    )
    take_over_permissions: bool = Field(
        default=False,
        title="Take over who may see it",
        description="Who may view the space, and whom a page and the pages above it are restricted to: people by their "
        "e-mail address, groups by name. The account must be allowed to see permissions, groups and addresses: what it "
        "may not see is found by nobody else. Costs one more request for each page, and some for each group.",
    )
    text: Literal["view", "storage"] = Field(
        default="view",
        title="Text of a page",
        description="As readers see it, with the results of macros; or as it is stored, without them.",
        json_schema_extra={"labels": {"view": "as readers see it", "storage": "as it is stored"}},
    )

    @field_validator("address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        url = address_of_api(value)
        return url.removesuffix("/wiki") if ".atlassian.net" in url else url


class ConfluenceSecrets(Shape):
    token: SecretStr = Field(
        default=SecretStr(""),
        title="API token",
        description="Cloud: an API token of the account. Data center: a personal access token.",
    )


class ConfluenceConnector(RestConnector):
    """Lists completely each time, by version: 250 pages a request in the cloud. So changes of permissions are seen each
    time, too, where they are taken over."""

    label: ClassVar[str] = "Confluence"
    description: ClassVar[str] = "Pages and attachments of Confluence, in the cloud or in your data center."
    Config: ClassVar[type[BaseModel]] = ConfluenceConfig
    Secrets: ClassVar[type[BaseModel]] = ConfluenceSecrets
    config: ConfluenceConfig

    def found(self) -> str:
        spaces = [space["key"] for space in self.wiki.spaces()]
        if not spaces:
            raise SourceError("The account may read no space. Give it the right to view the spaces that you want.")
        named = ", ".join(spaces[:SPACES_NAMED]) + ("…" if len(spaces) > SPACES_NAMED else "")
        return f"Confluence lets us read {counted(len(spaces), 'space')}: {named}."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        for kind in ("page", "blogpost") if self.config.include_blog_posts else ("page",):
            yield from self.wiki.pages(kind)
        if self.config.include_attachments:
            yield from self.wiki.attachments()
        self.state["notice"] = self.wiki.readers.tally.notice if self.wiki.readers else ""

    def content_of(self, document: RemoteDocument) -> Content:
        page, attachment = parent_and_attachment(document.remote_id)
        if attachment:
            address = self.wiki.address_of_attachment(attachment)
            return file_content(
                self.wiki.api, address, filename=document.title or attachment, media_type=document.media_type
            )
        found = self.wiki.page(page, kind=str(document.metadata.get("kind", "page")))
        return html_content(str(found.get("title", "")), found["body"][self.config.text]["value"])

    @cached_property
    def wiki(self) -> Wiki:
        kind = CloudWiki if self.config.edition == "cloud" else DataCenterWiki
        return kind(self.config, self.secrets, client=self.outbound)


class Wiki(ABC):
    """One edition of Confluence: the two have different addresses and shapes for the same things."""

    def __init__(self, config: ConfluenceConfig, secrets: ConfluenceSecrets, *, client: OutboundClient) -> None:
        self.config = config
        self.api = self._api(secrets, client)
        self.readers = self._readers() if config.take_over_permissions else None
        # Attachments count where their page does, and for whom it does.
        self.listed: dict[str, Groups] = {}

    @abstractmethod
    def _api(self, secrets: ConfluenceSecrets, client: OutboundClient) -> RestClient: ...

    @abstractmethod
    def _readers(self) -> PageReaders: ...

    @abstractmethod
    def spaces(self) -> list[dict[str, Any]]:
        """The spaces to read; SourceError where one that was asked for is not there."""

    @abstractmethod
    def pages(self, kind: str) -> Iterator[RemoteDocument]:
        """Every current page, or blog post, of the spaces."""

    @abstractmethod
    def attachments(self) -> Iterator[RemoteDocument]:
        """The readable attachments of the pages that were listed, where they did not come with these."""

    @abstractmethod
    def page(self, page_id: str, *, kind: str) -> dict[str, Any]: ...

    @abstractmethod
    def address_of_attachment(self, attachment: str) -> str: ...

    def placed(self, items: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        """All pages of a space; where permissions count, it must be known first which of them stand above which."""
        if self.readers is None:
            return items
        items = list(items)
        for item in items:
            self.readers.place(item)
        return items

    def document(
        self, page: dict[str, Any], *, kind: str, address: str, space: str, space_id: str = ""
    ) -> RemoteDocument:
        id = str(page["id"])
        self.listed[id] = self.readers.groups_of(id, space=space_id or space) if self.readers else None
        return RemoteDocument(
            remote_id=id,
            title=str(page.get("title", "")),
            url=address + str(page.get("_links", {}).get("webui", "")),
            media_type="text/html",
            version=f"{self.config.text} {page['version']['number']}",
            metadata={"space": space, "kind": kind},
            groups=self.listed[id],
        )

    def file(self, item: dict[str, Any], *, page: str, media_type: str, address: str) -> RemoteDocument | None:
        title = str(item.get("title", ""))
        if not is_readable(media_type, name=title):
            return None
        return RemoteDocument(
            remote_id=attachment_id(page, str(item["id"])),
            title=title,
            url=address + str(item.get("_links", {}).get("webui") or item.get("webuiLink") or ""),
            media_type=media_type,
            version=str(item["version"]["number"]),
            metadata={"attached_to": page},
            groups=self.listed[page],
        )

    def refuse_missing(self, spaces: list[dict[str, Any]]) -> None:
        missing = sorted(set(self.config.spaces) - {str(space["key"]) for space in spaces})
        if missing:
            raise SourceError(
                f"Confluence shows the account no space with the key {', '.join(missing)}. Check the keys, and that "
                "the account may view these spaces."
            )


def results(page: Any) -> list[dict[str, Any]]:
    return list(page["results"])


def next_link(page: Any) -> str:
    return str(page.get("_links", {}).get("next") or "")


class CloudWiki(Wiki):
    """REST API v2: https://developer.atlassian.com/cloud/confluence/rest/v2/intro/."""

    def _api(self, secrets: ConfluenceSecrets, client: OutboundClient) -> RestClient:
        if not self.config.email:
            raise SourceError("Enter the e-mail address of the account that the API token belongs to.")
        sign_in = basic(self.config.email, needed(secrets.token, title="API token"))
        return RestClient(self.config.address, name="Confluence", client=client, sign_in=sign_in)

    def _readers(self) -> PageReaders:
        return CloudReaders(self.api)

    @cached_property
    def _spaces(self) -> list[dict[str, Any]]:
        params = {"limit": PAGES_AT_ONCE, "keys": ",".join(self.config.spaces), "status": "current"}
        pages = self.api.linked_pages("/wiki/api/v2/spaces", params, next_of=next_link)
        return [space for page in pages for space in results(page)]

    def spaces(self) -> list[dict[str, Any]]:
        self.refuse_missing(self._spaces)
        return self._spaces

    def pages(self, kind: str) -> Iterator[RemoteDocument]:
        keys = {str(space["id"]): str(space["key"]) for space in self.spaces()}
        for space_id, key in keys.items():
            path = f"/wiki/api/v2/spaces/{quoted(space_id)}/{kind}s"
            params = {"limit": PAGES_AT_ONCE, "status": "current"}
            pages = self.api.linked_pages(path, params, next_of=next_link)
            address = f"{self.config.address}/wiki"
            for item in self.placed(item for page in pages for item in results(page)):
                yield self.document(item, kind=kind, address=address, space=key, space_id=space_id)

    def attachments(self) -> Iterator[RemoteDocument]:
        params = {"limit": PAGES_AT_ONCE, "status": "current"}
        for page in self.api.linked_pages("/wiki/api/v2/attachments", params, next_of=next_link):
            for item in results(page):
                owner = str(item.get("pageId") or item.get("blogPostId") or "")
                kind = str(item.get("mediaType", ""))
                if owner in self.listed and (
                    file := self.file(item, page=owner, media_type=kind, address=f"{self.config.address}/wiki")
                ):
                    yield file

    def page(self, page_id: str, *, kind: str) -> dict[str, Any]:
        path = f"/wiki/api/v2/{'blogposts' if kind == 'blogpost' else 'pages'}/{quoted(page_id)}"
        return dict(self.api.get(path, {"body-format": self.config.text}))

    def address_of_attachment(self, attachment: str) -> str:
        found = self.api.get(f"/wiki/api/v2/attachments/{quoted(attachment)}")
        return f"/wiki{found['downloadLink']}"


class DataCenterWiki(Wiki):
    """REST API of Confluence Data Center: https://developer.atlassian.com/server/confluence/rest/."""

    def _api(self, secrets: ConfluenceSecrets, client: OutboundClient) -> RestClient:
        sign_in = bearer(needed(secrets.token, title="API token"))
        return RestClient(self.config.address, name="Confluence", client=client, sign_in=sign_in)

    def _readers(self) -> PageReaders:
        return DataCenterReaders(self.api)

    def spaces(self) -> list[dict[str, Any]]:
        path, params = "/rest/api/space", {"limit": PAGES_AT_ONCE, "spaceKey": self.config.spaces}
        pages = self.api.linked_pages(path, params, next_of=next_link)
        found = [space for page in pages for space in results(page)]
        self.refuse_missing(found)
        return found

    def pages(self, kind: str) -> Iterator[RemoteDocument]:
        for space in self.spaces():
            key = str(space["key"])
            expand = "version,children.attachment.version" if self.config.include_attachments else "version"
            expand += ",ancestors" if self.readers else ""
            params = {"type": kind, "spaceKey": key, "status": "current", "expand": expand}
            params["limit"] = str(PAGES_WITH_ATTACHMENTS if self.config.include_attachments else PAGES_AT_ONCE)
            pages = self.api.linked_pages("/rest/api/content", params, next_of=next_link)
            for item in self.placed(item for page in pages for item in results(page)):
                yield self.document(item, kind=kind, address=self.config.address, space=key)
                yield from self._files_of(item)

    def attachments(self) -> Iterator[RemoteDocument]:
        yield from ()  # They came with their pages.

    def page(self, page_id: str, *, kind: str) -> dict[str, Any]:
        return dict(self.api.get(f"/rest/api/content/{quoted(page_id)}", {"expand": f"body.{self.config.text}"}))

    def address_of_attachment(self, attachment: str) -> str:
        return str(self.api.get(f"/rest/api/content/{quoted(attachment)}")["_links"]["download"])

    def _files_of(self, item: dict[str, Any]) -> Iterator[RemoteDocument]:
        """What hangs on a page; where it is more than was sent along, the rest is asked for."""
        part = item.get("children", {}).get("attachment", {})
        files = list(part.get("results", []))
        if next_link(part):
            path, params = f"/rest/api/content/{quoted(str(item['id']))}/child/attachment", {"expand": "version"}
            pages = self.api.linked_pages(path, {**params, "limit": PAGES_AT_ONCE}, next_of=next_link)
            files = [file for page in pages for file in results(page)]
        for file in files:
            media_type = file.get("extensions", {}).get("mediaType") or file.get("metadata", {}).get("mediaType", "")
            document = self.file(file, page=str(item["id"]), media_type=media_type, address=self.config.address)
            if document:
                yield document
