"""Microsoft Graph for one SharePoint site, with the sign-in of Entra, on the loopback.

Shapes follow, as consulted on 2026-11-22:
- https://learn.microsoft.com/en-us/graph/api/driveitem-delta?view=graph-rest-1.0
- https://learn.microsoft.com/en-us/graph/api/sitepage-list?view=graph-rest-1.0 and …/sitepage-get
- https://learn.microsoft.com/en-us/graph/api/driveitem-list-permissions?view=graph-rest-1.0 and …/resources/permission
- https://learn.microsoft.com/en-us/onedrive/developer/rest-api/concepts/scan-guidance (changes of permissions)
- https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, as_json, path_of, query_of

AT_ONCE = 2
SITE, DRIVE = "example.sharepoint.com,1,2", "b!drive"


class FakeSharePoint(FakeApi):
    kind, second_page = "sharepoint", "skiptoken="

    def __init__(self) -> None:
        super().__init__()
        self.authorization = "Bearer graph-token"
        self.items: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.changes: list[str] = []
        self.pages: dict[str, dict[str, Any]] = {}
        self.forgets_cursors = False
        self.permissions: dict[str, list[dict[str, Any]]] = {}

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        config = {"tenant": "example.com", "client_id": "app", "sites": ["https://example.sharepoint.com/sites/HR"]}
        addresses = {"graph_address": f"{self.url}/v1.0", "login_address": f"{self.url}/login"}
        return {**config, **addresses}, {"client_secret": "s3cret"}

    def put(self, number: int, text: str) -> None:
        self.put_file(f"item{number}", name=f"document {number}.txt", body=text.encode())

    def remove(self, number: int) -> None:
        self.delete(f"item{number}")

    def remote_id(self, number: int) -> str:
        return f"drives/{DRIVE}/item{number}"

    def put_file(self, id: str, *, name: str, body: bytes, media_type: str = "text/plain") -> None:
        edits = int(self.items[id]["edits"]) + 1 if id in self.items else 1
        self.items[id] = {
            "id": id,
            "name": name,
            "webUrl": f"https://example.sharepoint.com/sites/HR/Documents/{name}",
            "eTag": f'"{{{id}}},{edits}"',
            "lastModifiedDateTime": f"2026-01-02T03:04:{edits:02d}Z",
            "parentReference": {"driveId": DRIVE, "path": f"/drives/{DRIVE}/root:"},
            "file": {"mimeType": media_type, "hashes": {"quickXorHash": f"{id}-{edits}"}},
            "edits": edits,
        }
        self.contents[id] = body
        self.changes.append(id)

    def put_folder(self, id: str) -> None:
        self.items[id] = {"id": id, "name": id, "folder": {"childCount": 1}, "parentReference": {"driveId": DRIVE}}
        self.changes.append(id)

    def put_page(self, id: str, *, web_parts: list[dict[str, Any]], edits: int = 1, level: str = "published") -> None:
        columns = [{"id": "1", "width": 12, "webparts": web_parts}]
        self.pages[id] = {
            "@odata.type": "#microsoft.graph.sitePage",
            "id": id,
            "name": f"{id}.aspx",
            "title": f"Page {id}",
            "webUrl": f"https://example.sharepoint.com/sites/HR/SitePages/{id}.aspx",
            "eTag": f'"{{{id}}},{edits}"',
            "publishingState": {"level": level, "versionId": "1.0"},
            "canvasLayout": {"horizontalSections": [{"layout": "oneColumn", "id": "1", "columns": columns}]},
        }

    def share(self, id: str, *permissions: dict[str, Any], is_named: bool = True) -> None:
        """From now on this item is for these, which its tags and its content do not show."""
        self.permissions[id] = [{"id": str(at), "roles": ["read"], **given} for at, given in enumerate(permissions)]
        if is_named:
            self.items[id]["@microsoft.graph.sharedChanged"] = "True"
            self.changes.append(id)

    def delete(self, id: str) -> None:
        # Of what was deleted, SharePoint names neither name nor tag.
        kind = "folder" if "folder" in self.items[id] else "file"
        self.items[id] = {"id": id, "deleted": {"state": "deleted"}, kind: {}, "parentReference": {"driveId": DRIVE}}
        self.changes.append(id)

    # -- Answers -------------------------------------------------------------------------------------------------------

    def may_enter(self, call: Call) -> bool:
        path = path_of(call)
        return path.startswith(("/login/", "/blob/")) or super().may_enter(call)

    def refuse(self, call: Call) -> Page:
        error = {"code": "InvalidAuthenticationToken", "message": "Access token has expired or is not yet valid."}
        return as_json({"error": error}, status=401)

    def respond(self, call: Call) -> Page:
        path = unquote(path_of(call))
        if path == "/login/example.com/oauth2/v2.0/token":
            return self.token(call)
        if path.startswith("/blob/"):
            return Page(self.contents[path.rpartition("/")[2]], media_type="application/octet-stream")
        path = path.removeprefix("/v1.0")
        if path == "/sites/example.sharepoint.com:/sites/HR":
            return as_json({"id": SITE, "displayName": "HR"})
        if path == f"/sites/{SITE}/drives":
            return as_json({"value": [{"id": DRIVE, "name": "Documents"}]})
        if path == f"/drives/{DRIVE}/root/delta":
            return self.delta(call)
        if path == f"/sites/{SITE}/pages/microsoft.graph.sitePage":
            listed = [{k: v for k, v in page.items() if k != "canvasLayout"} for page in self.pages.values()]
            return as_json({"value": listed})
        return self.single(path, query_of(call))

    def single(self, path: str, query: dict[str, str]) -> Page:
        _, kind, _, _, id, *rest = [*path.split("/"), "", "", "", ""]
        if kind == "drives" and rest[0] == "permissions":
            return self.page_of_permissions(id, path, query)
        if kind == "drives" and "deleted" not in self.items.get(id, {"deleted": 1}) and rest[0] == "content":
            return Page(status=302, headers={"Location": f"{self.url}/blob/{id}"})
        if kind == "sites" and id in self.pages:
            return as_json(self.pages[id])
        return as_json({"error": {"code": "itemNotFound", "message": "The resource could not be found."}}, status=404)

    def page_of_permissions(self, id: str, path: str, query: dict[str, str]) -> Page:
        if id not in self.permissions:
            return as_json({"error": {"code": "accessDenied", "message": "Access denied"}}, status=403)
        start, found = int(query.get("$skiptoken", 0)), self.permissions[id]
        page: dict[str, Any] = {"value": found[start : start + AT_ONCE]}
        if start + AT_ONCE < len(found):
            page["@odata.nextLink"] = f"{self.url}/v1.0{path}?$skiptoken={start + AT_ONCE}"
        return as_json(page)

    def token(self, call: Call) -> Page:
        asked = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        if asked["client_secret"] != "s3cret" or asked["grant_type"] != "client_credentials":
            body = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
            return as_json(body, status=401)
        assert asked["scope"] == f"{self.url}/.default"
        return as_json({"token_type": "Bearer", "expires_in": 3599, "access_token": "graph-token"})

    def delta(self, call: Call) -> Page:
        """Without a token everything that is there, page by page; with the token of a deltaLink what changed since."""
        query = query_of(call)
        if self.forgets_cursors and "token" in query:
            return as_json({"error": {"code": "resyncRequired", "message": "Resync required."}}, status=410)
        since = int(query.get("token", -1))
        ids = list(dict.fromkeys(self.changes[since:])) if since >= 0 else list(self.items)
        if "deltashowsharingchanges" not in call.headers.get("Prefer", ""):
            ids = [id for id in ids if "@microsoft.graph.sharedChanged" not in self.items[id]] if since >= 0 else ids
        found = [self.items[id] for id in ids if since >= 0 or "deleted" not in self.items[id]]
        start = int(query.get("skiptoken", 0))
        base = f"{self.url}{path_of(call)}"
        page: dict[str, Any] = {"value": found[start : start + AT_ONCE]}
        if start + AT_ONCE < len(found):
            again = f"token={since}&" if since >= 0 else ""
            page["@odata.nextLink"] = f"{base}?{again}skiptoken={start + AT_ONCE}"
        else:
            page["@odata.deltaLink"] = f"{base}?token={len(self.changes)}"
        return as_json(page)
