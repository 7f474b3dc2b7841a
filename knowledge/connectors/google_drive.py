"""Files of Google Drive that are shared with a service account, Google's own documents among them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, ClassVar

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.base import KEEP_THE_REST, Content, Gone, ListingItem, RemoteDocument
from knowledge.connectors.google_permissions import PERMISSION_FIELDS, groups_of
from knowledge.connectors.google_sign_in import ServiceAccount
from knowledge.connectors.permissions import Groups, Tally, full_pass_is_due
from knowledge.connectors.readable import is_readable
from knowledge.connectors.rest import MAX_FILE_BYTES, RestClient, TokenSignIn, address_of_api, quoted
from knowledge.connectors.rest_connector import RestConnector, Shape, file_content
from magnet.errors import FetchFailed, SourceError

SCOPE = "https://www.googleapis.com/auth/drive.readonly"
AT_ONCE = 1_000
PERMISSIONS_AT_ONCE = 100
FOLDER = "application/vnd.google-apps.folder"
FIELDS = "id,name,mimeType,modifiedTime,md5Checksum,size,webViewLink,parents,trashed"
# What Google's own formats are read as: the first that a reader knows.
OFFICE = "application/vnd.openxmlformats-officedocument"
EXPORTS = {
    "application/vnd.google-apps.document": (("text/markdown", ".md"),),
    "application/vnd.google-apps.spreadsheet": ((f"{OFFICE}.spreadsheetml.sheet", ".xlsx"), ("text/csv", ".csv")),
    "application/vnd.google-apps.presentation": (
        (f"{OFFICE}.presentationml.presentation", ".pptx"),
        ("text/plain", ".txt"),
    ),
}
FOLDER_ID = re.compile(r"[\w-]{10,}")
# What Google answers to a cursor that it no longer knows.
LOST_CURSOR = (400, 404, 410)


class GoogleDriveConfig(Shape):
    folders: list[str] = Field(
        default=[],
        title="Folders",
        description="Their addresses or ids, with everything below; empty means all that the account may read.",
    )
    shared_drive: str = Field(
        default="", title="Shared drive", description="Its id, where the files belong to a shared drive."
    )
    take_over_permissions: bool = Field(
        default=False,
        title="Take over who may see it",
        description="People and groups by their address, everybody of a domain by its name. The account must be an "
        "editor or a member of the shared drive: a file whose permissions it may not read is found by nobody else. "
        "Costs one more request for each file of a shared drive, and a complete listing a day.",
    )
    links_count: bool = Field(
        default=False,
        title="Links open it to all",
        description="With permissions only: what anyone with the link can open, anyone finds. Off: only people, "
        "groups and domains for whom it is shared, and what Google itself lets anyone find.",
    )
    api_address: str = Field(
        default="https://www.googleapis.com",
        title="Address of the API",
        description="Leave it as it is, unless you reach Google through a gateway of your own.",
    )

    @field_validator("api_address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        return address_of_api(value)

    @field_validator("folders")
    @classmethod
    def are_folders(cls, values: list[str]) -> list[str]:
        for value in values:
            if not FOLDER_ID.fullmatch(folder_id(value)):
                raise ValueError(f"“{value}” is no address of a folder. Copy the link of the folder in Google Drive.")
        return values


class GoogleDriveSecrets(Shape):
    service_account_key: SecretStr = Field(
        default=SecretStr(""),
        title="Key of the service account",
        description="The whole JSON file. Share the folders with the account's e-mail address, to view.",
    )


class GoogleDriveConnector(RestConnector):
    """Lists completely the first time, then what Google's list of changes names. When a folder changes, or Google no
    longer knows the cursor, it lists completely again; with permissions also when a folder or the shared drive changes,
    whose people Google does not name for each file, and once a day."""

    label: ClassVar[str] = "Google Drive"
    description: ClassVar[str] = "Documents, tables, slides and files that are shared with a service account."
    Config: ClassVar[type[BaseModel]] = GoogleDriveConfig
    Secrets: ClassVar[type[BaseModel]] = GoogleDriveSecrets
    config: GoogleDriveConfig
    secrets: GoogleDriveSecrets

    def found(self) -> str:
        folders = self._chosen_folders()
        asked = {"fields": "name", **self._scope}
        names = [str(self.api.get(f"/drive/v3/files/{folder}", asked)["name"]) for folder in folders]
        first = next(self._files("trashed = false", at_once=1), None)
        if first is None:
            raise SourceError(f"Nothing is shared with {self.account.email}. Share the folders with this address.")
        where = f"the folder{'' if len(names) == 1 else 's'} {', '.join(names)}" if names else "what is shared with it"
        return f"Google Drive lets {self.account.email} read {where}."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        self.tally = Tally()
        changes = self._changes()
        yield from self._everything() if changes is None else self._named(changes)
        self.state["notice"] = self.tally.notice

    def content_of(self, document: RemoteDocument) -> Content:
        path = f"/drive/v3/files/{quoted(document.remote_id)}"
        file = self.api.get(path, {"fields": FIELDS, **self._scope})
        if file.get("trashed"):
            raise FetchFailed(f"“{document.title}” is in the trash of Google Drive. Sync again.")
        kind, name = str(file["mimeType"]), str(file["name"])
        if kind not in EXPORTS:
            return file_content(self.api, f"{path}?alt=media&supportsAllDrives=true", filename=name, media_type=kind)
        media_type, extension = export_of(kind)
        exported = self.api.download(f"{path}/export", {"mimeType": media_type}, max_bytes=MAX_FILE_BYTES)
        return Content(exported.body, media_type=media_type, filename=name + extension)

    @cached_property
    def account(self) -> ServiceAccount:
        return ServiceAccount.from_key(self.secrets.service_account_key, scope=SCOPE)

    @cached_property
    def api(self) -> RestClient:
        sign_in = TokenSignIn(lambda: self.account.token(self.outbound))
        return RestClient(self.config.api_address, name="Google Drive", client=self.outbound, sign_in=sign_in)

    # -- Who may see it ------------------------------------------------------------------------------------------------

    def _document(self, file: dict[str, Any]) -> RemoteDocument:
        if not self.config.take_over_permissions:
            return document_of(file)
        ask = partial(self._groups, file)
        return replace(document_of(file), groups=self.tally.of(ask))

    def _groups(self, file: dict[str, Any]) -> Groups:
        """By the permissions that came along; of a file in a shared drive Google sends them only when asked for."""
        permissions = file.get("permissions")
        if not permissions:
            fields = f"nextPageToken,permissions({PERMISSION_FIELDS})"
            params = {"fields": fields, "pageSize": PERMISSIONS_AT_ONCE, **self._scope}
            path = f"/drive/v3/files/{quoted(str(file['id']))}/permissions"
            pages = self.api.cursor_pages(path, params, parameter="pageToken", cursor_of=next_cursor)
            permissions = [permission for page in pages for permission in page["permissions"]]
        return groups_of(permissions, links_count=self.config.links_count)

    @property
    def _fields(self) -> str:
        return f"{FIELDS},permissions({PERMISSION_FIELDS})" if self.config.take_over_permissions else FIELDS

    # -- A complete listing --------------------------------------------------------------------------------------------

    def _everything(self) -> Iterator[ListingItem]:
        # The cursor first: what changes while we list is then named by the next listing.
        token = self.api.get("/drive/v3/changes/startPageToken", {**self._scope, **self._drive})["startPageToken"]
        folders, began_at = self._chosen_folders(), time.time()
        seen = set(folders)
        if not folders:
            yield from map(self._document, filter(is_wanted, self._files("trashed = false")))
        while folders:
            for file in self._files(f"'{folders.pop()}' in parents and trashed = false"):
                if file["mimeType"] == FOLDER and file["id"] not in seen:
                    seen.add(file["id"])
                    folders.append(file["id"])
                elif is_wanted(file):
                    yield self._document(file)
        self.state.clear()
        self.state.update(cursor=str(token), folders=sorted(seen), permissions_at=began_at)

    def _files(self, query: str, *, at_once: int = AT_ONCE) -> Iterator[dict[str, Any]]:
        params = {
            "q": query,
            "fields": f"nextPageToken,incompleteSearch,files({self._fields})",
            "pageSize": at_once,
            "includeItemsFromAllDrives": True,
            "corpora": "drive" if self.config.shared_drive else None,
            **self._scope,
            **self._drive,
        }
        for page in self.api.cursor_pages("/drive/v3/files", params, parameter="pageToken", cursor_of=next_cursor):
            if page.get("incompleteSearch"):
                raise SourceError("Google Drive has not searched everything. Choose folders or one shared drive.")
            yield from page["files"]

    # -- What changed --------------------------------------------------------------------------------------------------

    def _named(self, changes: list[dict[str, Any]]) -> Iterator[ListingItem]:
        yield KEEP_THE_REST
        for change in changes:
            file = change.get("file") or {}
            if change.get("removed") or file.get("trashed") or not self._is_ours(file):
                yield Gone(str(change["fileId"]))
            else:
                yield self._document(file)

    def _changes(self) -> list[dict[str, Any]] | None:
        """The changes since the cursor; None where only a complete listing can say what is there.

        Held whole, because a folder among the last of them decides about all. The new cursor goes to the state.
        """
        cursor, reads_permissions = self.state.get("cursor"), self.config.take_over_permissions
        if not cursor or (reads_permissions and full_pass_is_due(self.state)):
            return None
        changes: list[dict[str, Any]] = []
        try:
            for page in self._pages_of_changes(str(cursor)):
                changes += page["changes"]
                cursor = page.get("newStartPageToken") or cursor
        except FetchFailed as error:
            if error.extra.get("remote_status") in LOST_CURSOR:
                return None
            raise
        files = [change for change in changes if change.get("changeType", "file") == "file"]
        # The members of a shared drive see all that is in it.
        has_other_members = reads_permissions and len(files) < len(changes)
        if has_other_members or any(self._moves_others(change) for change in files):
            return None
        self.state["cursor"] = str(cursor)
        return files

    def _pages_of_changes(self, cursor: str) -> Iterator[dict[str, Any]]:
        params = {
            "pageToken": cursor,
            "fields": f"nextPageToken,newStartPageToken,changes(changeType,fileId,removed,file({self._fields}))",
            "pageSize": AT_ONCE,
            "includeItemsFromAllDrives": True,
            **self._scope,
            **self._drive,
        }
        yield from self.api.cursor_pages("/drive/v3/changes", params, parameter="pageToken", cursor_of=next_cursor)

    def _moves_others(self, change: dict[str, Any]) -> bool:
        """Whether a folder came, went or moved, with everything below it, or is for other people."""
        file = change.get("file") or {}
        if self.config.take_over_permissions and file.get("mimeType") == FOLDER:
            return True
        if not self.config.folders:
            return False
        is_known = change["fileId"] in self.state.get("folders", [])
        return is_known or (file.get("mimeType") == FOLDER and self._has_parent(file))

    def _is_ours(self, file: dict[str, Any]) -> bool:
        return is_wanted(file) and (not self.config.folders or self._has_parent(file))

    def _has_parent(self, file: dict[str, Any]) -> bool:
        return bool(set(file.get("parents") or []) & set(self.state.get("folders", [])))

    # -- Parameters ----------------------------------------------------------------------------------------------------

    def _chosen_folders(self) -> list[str]:
        return [folder_id(value) for value in self.config.folders]

    @property
    def _scope(self) -> dict[str, Any]:
        return {"supportsAllDrives": True}

    @property
    def _drive(self) -> dict[str, Any]:
        return {"driveId": self.config.shared_drive or None}


def next_cursor(page: dict[str, Any]) -> str:
    return str(page.get("nextPageToken") or "")


def folder_id(value: str) -> str:
    """The id in https://drive.google.com/drive/folders/<id>?usp=sharing, or the value itself."""
    return value.strip().partition("?")[0].rstrip("/").rpartition("/")[2]


def is_wanted(file: dict[str, Any]) -> bool:
    kind = str(file.get("mimeType", ""))
    return kind in EXPORTS or (kind != FOLDER and is_readable(kind, name=str(file.get("name", ""))))


def export_of(kind: str) -> tuple[str, str]:
    """Media type and extension to export one of Google's formats in."""
    choices = EXPORTS[kind]
    return next((choice for choice in choices if is_readable(choice[0], name="")), choices[-1])


def document_of(file: dict[str, Any]) -> RemoteDocument:
    kind = str(file["mimeType"])
    return RemoteDocument(
        remote_id=str(file["id"]),
        title=str(file["name"]),
        url=str(file.get("webViewLink") or f"https://drive.google.com/file/d/{file['id']}/view"),
        media_type=export_of(kind)[0] if kind in EXPORTS else kind,
        version=str(file.get("md5Checksum") or file["modifiedTime"]),
    )
