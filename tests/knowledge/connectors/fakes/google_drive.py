"""Google Drive's API as its public documentation describes it, with Google's sign-in, on the loopback.

Shapes follow, as consulted on 2026-11-22:
- https://developers.google.com/drive/api/reference/rest/v3/files/list and …/files/export
- https://developers.google.com/drive/api/reference/rest/v3/changes/list and …/changes/getStartPageToken
- https://developers.google.com/workspace/drive/api/reference/rest/v3/permissions and …/permissions/list
- https://developers.google.com/workspace/drive/api/guides/manage-sharing (how permissions propagate)
- https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import base64
import functools
import json
import re
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, as_json, path_of, query_of

AT_ONCE = 2
DOCUMENT, FOLDER = "application/vnd.google-apps.document", "application/vnd.google-apps.folder"

DRIVE_CHANGE = {"kind": "drive#change", "changeType": "drive", "driveId": "a drive", "removed": False}


@functools.cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    form = serialization.PrivateFormat.PKCS8
    return private_key().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


class FakeGoogleDrive(FakeApi):
    kind, second_page = "google_drive", "pageToken=page-"

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.changes: list[str] = []
        self.forgets_cursors = False
        self.permissions: dict[str, list[dict[str, Any]]] = {}
        # Files of shared drives carry no permissions along: they are asked for.
        self.sends_permissions_along = True
        self.authorization = "Bearer ya29.token"

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        key = {"type": "service_account", "client_email": "reader@example.iam", "private_key": pem()}
        return {"api_address": self.url}, {"service_account_key": json.dumps({**key, "token_uri": f"{self.url}/token"})}

    def put(self, number: int, text: str) -> None:
        self.put_file(self.remote_id(number), name=f"Document {number}", body=text.encode())

    def remove(self, number: int) -> None:
        self.change(self.remote_id(number), trashed=True)

    def remote_id(self, number: int) -> str:
        return f"file-{number:08d}"

    def put_file(
        self, id: str, *, name: str, body: bytes = b"", kind: str = DOCUMENT, parent: str = "root-000000"
    ) -> None:
        edits = int(self.files[id]["version"]) + 1 if id in self.files else 1
        self.files[id] = {"id": id, "name": name, "mimeType": kind, "parents": [parent], "trashed": False}
        self.files[id] |= {"version": str(edits), "modifiedTime": f"2026-01-02T03:04:{edits:02d}.678Z"}
        self.files[id]["webViewLink"] = f"https://docs.google.com/document/d/{id}/edit"
        self.contents[id] = body
        self.changes.append(id)

    def change(self, id: str, **more: Any) -> None:
        self.files[id] |= more
        self.changes.append(id)

    def share(self, id: str, *permissions: dict[str, Any], is_named: bool = True) -> None:
        """From now on this file is for these; what is below a folder is not named among the changes."""
        self.permissions[id] = [{"kind": "drive#permission", "role": "reader", **given} for given in permissions]
        if is_named:
            self.changes.append(id)

    def shown(self, id: str) -> dict[str, Any]:
        along = self.sends_permissions_along and id in self.permissions
        return {**self.files[id], "permissions": self.permissions[id]} if along else self.files[id]

    def delete(self, id: str) -> None:
        del self.files[id]
        self.changes.append(id)

    # -- Answers -------------------------------------------------------------------------------------------------------

    def may_enter(self, call: Call) -> bool:
        return path_of(call) == "/token" or super().may_enter(call)

    def refuse(self, call: Call) -> Page:
        error = {"code": 401, "message": "Invalid Credentials", "status": "UNAUTHENTICATED"}
        return as_json({"error": error}, status=401)

    def respond(self, call: Call) -> Page:
        path, query = path_of(call), query_of(call)
        if path == "/token":
            return self.token(call)
        if path == "/drive/v3/changes/startPageToken":
            return as_json({"kind": "drive#startPageToken", "startPageToken": str(len(self.changes))})
        if path == "/drive/v3/changes":
            return self.page_of_changes(query)
        if path == "/drive/v3/files":
            return self.page_of_files(query)
        if match := re.fullmatch(r"/drive/v3/files/([\w-]+)/permissions", path):
            return self.page_of_permissions(match[1], query)
        match = re.fullmatch(r"/drive/v3/files/([\w-]+)(/export)?", path)
        if not match or match[1] not in self.files:
            return as_json({"error": {"code": 404, "message": f"File not found: {path}."}}, status=404)
        if match[2] or query.get("alt") == "media":
            return Page(self.contents[match[1]], media_type=query.get("mimeType", "application/octet-stream"))
        return as_json(self.files[match[1]])

    def token(self, call: Call) -> Page:
        asked = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        text, _, signature = asked["assertion"].rpartition(".")
        signed = base64.urlsafe_b64decode(signature + "==")
        private_key().public_key().verify(signed, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        claim = json.loads(base64.urlsafe_b64decode(text.partition(".")[2] + "=="))
        assert claim["aud"] == f"{self.url}/token"
        assert claim["iss"] == "reader@example.iam"
        return as_json({"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer"})

    def page_of_files(self, query: dict[str, str]) -> Page:
        parent = re.match(r"'([\w-]+)' in parents", query["q"])
        found = [file for file in self.files.values() if not file["trashed"]]
        if parent:
            found = [file for file in found if parent[1] in file["parents"]]
        start = int(query.get("pageToken", "page-0").removeprefix("page-"))
        page: dict[str, Any] = {"kind": "drive#fileList", "incompleteSearch": False}
        if start + AT_ONCE < len(found):
            page["nextPageToken"] = f"page-{start + AT_ONCE}"
        return as_json({**page, "files": [self.shown(file["id"]) for file in found[start : start + AT_ONCE]]})

    def page_of_permissions(self, id: str, query: dict[str, str]) -> Page:
        """Readers may not list who else is one: Google answers 403."""
        if id not in self.permissions:
            message = "The user does not have sufficient permissions for this file."
            return as_json({"error": {"code": 403, "message": message}}, status=403)
        start, found = int(query.get("pageToken", "0")), self.permissions[id]
        following = {"nextPageToken": str(start + AT_ONCE)} if start + AT_ONCE < len(found) else {}
        return as_json({"kind": "drive#permissionList", "permissions": found[start : start + AT_ONCE], **following})

    def page_of_changes(self, query: dict[str, str]) -> Page:
        if self.forgets_cursors:
            return as_json({"error": {"code": 400, "message": "Invalid Value"}}, status=400)
        start = int(query["pageToken"])
        end = min(start + AT_ONCE, len(self.changes))
        names = "newStartPageToken" if end == len(self.changes) else "nextPageToken"
        found = [self.as_change(id) for id in dict.fromkeys(self.changes[start:end])]
        found = [change if change["fileId"] != "a drive" else DRIVE_CHANGE for change in found]
        return as_json({"kind": "drive#changeList", "changes": found, names: str(end)})

    def as_change(self, id: str) -> dict[str, Any]:
        change = {"kind": "drive#change", "changeType": "file", "fileId": id, "removed": id not in self.files}
        return {**change, "file": self.shown(id)} if id in self.files else change
