"""Documents and pages of SharePoint sites, through Microsoft Graph."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.base import KEEP_THE_REST, Content, Gone, ListingItem, RemoteDocument
from knowledge.connectors.permissions import NOBODY, Groups, Tally, full_pass_is_due
from knowledge.connectors.readable import is_readable
from knowledge.connectors.rest import RestClient, Token, TokenSignIn, address_of_api, needed, quoted
from knowledge.connectors.rest_connector import RestConnector, Shape, counted, file_content, html_content
from knowledge.connectors.sharepoint_pages import html_of
from knowledge.connectors.sharepoint_permissions import CHANGED, NAMES_SHARING, groups_of
from magnet.errors import FetchFailed, SourceError

DELTA_FIELDS = "id,name,file,folder,root,deleted,webUrl,eTag,cTag,lastModifiedDateTime,parentReference"
PAGE_FIELDS = "id,title,name,webUrl,eTag,lastModifiedDateTime,publishingState"
PAGE_TYPE = "microsoft.graph.sitePage"
GONE = 410
LIBRARIES_NAMED = 5
Item = dict[str, Any]


class SharePointConfig(Shape):
    tenant: str = Field(title="Tenant", min_length=1, description="Its id, or its domain such as example.com.")
    client_id: str = Field(
        title="Application (client) id", min_length=1, description="Of the app that is registered in Entra."
    )
    sites: list[str] = Field(
        title="Sites", min_length=1, description="Their addresses, such as https://example.sharepoint.com/sites/HR."
    )
    libraries: list[str] = Field(
        default=[], title="Document libraries", description="Their names; empty means all of each site."
    )
    include_documents: bool = Field(default=True, title="Documents")
    include_pages: bool = Field(default=True, title="Pages and news")
    take_over_permissions: bool = Field(
        default=False,
        title="Take over who may see it",
        description="People by their address, groups of Entra by id and address, groups of a site by name, everybody "
        "of the organisation by the tenant as it is entered here. Needs Sites.FullControl.All to see every change. "
        "Costs one more request for each document, and a complete listing a day. Graph tells no permissions of pages: "
        "they are found only with the right to all documents.",
    )
    links_count: bool = Field(
        default=False,
        title="Links open it to all",
        description="With permissions only: what anyone with a link can open, anyone finds. Off: only people and "
        "groups for whom it is shared.",
    )
    graph_address: str = Field(
        default="https://graph.microsoft.com/v1.0",
        title="Address of Microsoft Graph",
        description="Another one only in a national cloud.",
    )
    login_address: str = Field(
        default="https://login.microsoftonline.com",
        title="Address of the sign-in",
        description="Another one only in a national cloud.",
    )

    @field_validator("graph_address", "login_address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        return address_of_api(value)

    @field_validator("sites")
    @classmethod
    def are_addresses(cls, values: list[str]) -> list[str]:
        return [address_of_api(value) for value in values]


class SharePointSecrets(Shape):
    client_secret: SecretStr = Field(
        default=SecretStr(""),
        title="Client secret",
        description="Of the app, with the application permission Sites.Read.All (or Sites.Selected).",
    )


class SharePointConnector(RestConnector):
    """Documents by Graph's delta: complete once, then only what changed. Pages have no delta in Graph, so they are
    compared with those of last time. A lost cursor, a deleted folder or another library: complete again; with
    permissions also a folder that is for other people, and once a day."""

    label: ClassVar[str] = "SharePoint"
    description: ClassVar[str] = "Documents and pages of SharePoint sites in Microsoft 365."
    Config: ClassVar[type[BaseModel]] = SharePointConfig
    Secrets: ClassVar[type[BaseModel]] = SharePointSecrets
    config: SharePointConfig
    secrets: SharePointSecrets

    def found(self) -> str:
        sites = self._sites()
        libraries = sorted(self._drives(sites).values()) if self.config.include_documents else []
        named = ", ".join(libraries[:LIBRARIES_NAMED]) + ("…" if len(libraries) > LIBRARIES_NAMED else "")
        found = f"Microsoft Graph lets us read {counted(len(sites), 'site')}"
        return f"{found} with the document libraries {named}." if libraries else f"{found}."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        sites = self._sites()
        drives = self._drives(sites) if self.config.include_documents else {}
        changes = self._changes(drives)
        self.tally, before = Tally(), set(self.state.get("pages", []))
        state: dict[str, Any] = {"cursors": dict(self.state.get("cursors", {})), "pages": []}
        state["permissions_at"] = time.time() if changes is None else self.state.get("permissions_at", 0)
        if changes is None:
            for drive in drives:
                yield from self._everything(drive, state)
        else:
            yield KEEP_THE_REST
            for drive, items, cursor in changes:
                yield from (self._change(drive, item) for item in items if "root" not in item)
                state["cursors"][drive] = cursor
        for site in sites if self.config.include_pages else ():
            for page in self._pages(site):
                state["pages"].append(page.remote_id)
                yield page
        if changes is not None:
            yield from (Gone(page) for page in sorted(before - set(state["pages"])))
        self.state.clear()
        self.state.update(state, notice=self.tally.notice)

    def content_of(self, document: RemoteDocument) -> Content:
        kind, *ids = document.remote_id.split("/")
        if kind == "pages" and len(ids) == 2:
            path = f"/sites/{quoted(ids[0])}/pages/{quoted(ids[1])}/{PAGE_TYPE}"
            page = self.api.get(path, {"$expand": "canvasLayout"})
            return html_content(str(page.get("title") or document.title), html_of(page))
        if kind == "drives" and len(ids) == 2:
            path = f"/drives/{quoted(ids[0])}/items/{quoted(ids[1])}/content"
            return file_content(self.api, path, filename=document.title, media_type=document.media_type)
        raise FetchFailed(f"{document.remote_id} is no document of SharePoint. Sync again.")

    @cached_property
    def api(self) -> RestClient:
        sign_in = TokenSignIn(self._token)
        return RestClient(self.config.graph_address, name="Microsoft Graph", client=self.outbound, sign_in=sign_in)

    @cached_property
    def changes(self) -> RestClient:
        """As `api`, but a change of permissions is a change."""
        headers = {"Prefer": NAMES_SHARING} if self.config.take_over_permissions else {}
        sign_in = TokenSignIn(self._token)
        return RestClient(
            self.config.graph_address, name="Microsoft Graph", client=self.outbound, sign_in=sign_in, headers=headers
        )

    def _token(self) -> Token:
        login = RestClient(self.config.login_address, name="Microsoft", client=self.outbound)
        host = urlsplit(self.config.graph_address)
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.config.client_id,
            "client_secret": needed(self.secrets.client_secret, title="Client secret"),
            "scope": f"{host.scheme}://{host.netloc}/.default",
        }
        answer = login.post_form(f"/{quoted(self.config.tenant)}/oauth2/v2.0/token", fields)
        return Token(str(answer["access_token"]), float(answer["expires_in"]))

    # -- Sites and libraries -------------------------------------------------------------------------------------------

    def _sites(self) -> list[str]:
        """The ids of the sites, in the order of the settings."""
        found = []
        for address in self.config.sites:
            parts = urlsplit(address)
            path = f"/sites/{parts.hostname}" + (f":{parts.path}" if parts.path else "")
            found.append(str(self.api.get(path, {"$select": "id,displayName,webUrl"})["id"]))
        return found

    def _drives(self, sites: list[str]) -> dict[str, str]:
        """Id and name of the document libraries; SourceError where one that was named is missing."""
        found: dict[str, str] = {}
        for site in sites:
            pages = self.api.linked_pages(f"/sites/{quoted(site)}/drives", {"$select": "id,name"}, next_of=next_link)
            found |= {str(drive["id"]): str(drive["name"]) for page in pages for drive in page["value"]}
        missing = sorted(set(self.config.libraries) - set(found.values()))
        if missing:
            raise SourceError(f"These sites have no document library {', '.join(missing)}. Check the names.")
        return {id: name for id, name in found.items() if not self.config.libraries or name in self.config.libraries}

    # -- Documents -----------------------------------------------------------------------------------------------------

    def _changes(self, drives: dict[str, str]) -> list[tuple[str, list[Item], str]] | None:
        """What changed in each library since its cursor; None where only a complete listing can say what is there.

        Held whole, because a deleted folder among the last of them decides about all.
        """
        cursors = self.state.get("cursors", {})
        if "cursors" not in self.state or set(cursors) != set(drives):
            return None
        if self.config.take_over_permissions and full_pass_is_due(self.state):
            return None
        found = []
        for drive in drives:
            try:
                pages = list(self.changes.linked_pages(str(cursors[drive]), next_of=next_link))
            except FetchFailed as error:
                if error.extra.get("remote_status") == GONE:
                    return None
                raise
            items = [item for page in pages for item in page["value"]]
            if any(decides_about_others(item) for item in items):
                return None
            found.append((drive, items, str(pages[-1]["@odata.deltaLink"])))
        return found

    def _everything(self, drive: str, state: dict[str, Any]) -> Iterator[RemoteDocument]:
        path = f"/drives/{quoted(drive)}/root/delta"
        for page in self.changes.linked_pages(path, {"$select": DELTA_FIELDS}, next_of=next_link):
            for item in page["value"]:
                if "deleted" not in item and is_file(item):
                    yield self._document(drive, item)
            state["cursors"][drive] = page.get("@odata.deltaLink", "")
        if not state["cursors"][drive]:
            raise SourceError("Microsoft Graph ended a list of documents without its cursor. Sync again.")

    def _change(self, drive: str, item: Item) -> ListingItem:
        if "deleted" in item or not is_file(item):
            return Gone(f"drives/{drive}/{item['id']}")
        return self._document(drive, item)

    def _document(self, drive: str, item: Item) -> RemoteDocument:
        if not self.config.take_over_permissions:
            return document_of(drive, item)
        groups = self.tally.of(partial(self._groups, f"/drives/{quoted(drive)}/items/{quoted(str(item['id']))}"))
        return replace(document_of(drive, item), groups=groups)

    def _groups(self, item: str) -> Groups:
        """By the effective permissions of a document, in which those of its folder, library and site stand."""
        pages = self.api.linked_pages(f"{item}/permissions", next_of=next_link)
        permissions = [permission for page in pages for permission in page["value"]]
        return groups_of(permissions, organisation=self.config.tenant, links_count=self.config.links_count)

    # -- Pages ---------------------------------------------------------------------------------------------------------

    def _pages(self, site: str) -> Iterator[RemoteDocument]:
        path = f"/sites/{quoted(site)}/pages/{PAGE_TYPE}"
        for page in self.api.linked_pages(path, {"$select": PAGE_FIELDS}, next_of=next_link):
            for item in page["value"]:
                if (item.get("publishingState") or {}).get("level", "published") == "published":
                    yield RemoteDocument(
                        remote_id=f"pages/{site}/{item['id']}",
                        title=str(item.get("title") or item.get("name") or ""),
                        url=str(item["webUrl"]),
                        media_type="text/html",
                        version=str(item.get("eTag") or item["lastModifiedDateTime"]),
                        groups=self.tally.of(lambda: NOBODY) if self.config.take_over_permissions else None,
                    )


def next_link(page: dict[str, Any]) -> str:
    return str(page.get("@odata.nextLink") or "")


def is_file(item: Item) -> bool:
    media_type = str((item.get("file") or {}).get("mimeType", ""))
    return "file" in item and is_readable(media_type, name=str(item.get("name", "")))


def decides_about_others(item: Item) -> bool:
    """Of a folder that was deleted, came back or is for other people, Graph need not name what is in it."""
    if "root" in item:
        return bool(item.get(CHANGED))
    return "file" not in item and "package" not in item


def document_of(drive: str, item: Item) -> RemoteDocument:
    hashes = item["file"].get("hashes") or {}
    return RemoteDocument(
        remote_id=f"drives/{drive}/{item['id']}",
        title=str(item["name"]),
        url=str(item.get("webUrl", "")),
        media_type=str(item["file"].get("mimeType", "")),
        # The hash of the content, where Graph sends it; a tag changes with every column of the library, too.
        version=str(hashes.get("quickXorHash") or item.get("cTag") or item.get("eTag") or item["lastModifiedDateTime"]),
    )
