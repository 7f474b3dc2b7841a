"""Confluence as its public documentation describes it, in both editions, on the loopback.

Shapes follow, as consulted on 2026-11-22:
- cloud: https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-page/ (also -space, -attachment)
  and of permissions …/rest/v2/api-group-space-permissions/, …/rest/v1/api-group-content-restrictions, -group, -users
- data center: https://developer.atlassian.com/server/confluence/confluence-rest-api-examples/ and
  https://developer.atlassian.com/server/confluence/pagination-in-the-rest-api
  and of permissions https://developer.atlassian.com/server/confluence/rest/v1000/api-group-space-permissions,
  -content-restrictions, -user-group
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, as_json, path_of, query_of

SPACE_IDS = {"HELP": "100", "OTHER": "200"}
AT_ONCE = 2


@dataclass
class Item:
    id: str
    title: str
    body: Any
    space: str = ""
    kind: str = "page"
    page: str = ""
    media_type: str = ""
    version: int = 1
    parent: str = ""


@dataclass
class WikiAccess:
    """Who may see what. Users and groups are called by names; `hidden` are those whose e-mail nobody is told."""

    spaces: dict[str, list[str]] = field(default_factory=dict)
    restrictions: dict[str, list[str]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    folders: dict[str, str] = field(default_factory=dict)


class FakeConfluence(FakeApi):
    kind = "confluence"
    edition = ""

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        config = {"edition": self.edition, "address": self.url, "email": "me@example.com", "spaces": ["HELP"]}
        return config, {"token": "secret-token"}

    def put(self, number: int, text: str) -> None:
        self.put_page(str(number), space="HELP", title=f"Page {number}", body=f"<p>{text}</p>")

    def remove(self, number: int) -> None:
        self.delete(str(number))

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, Item] = {}
        self.files: dict[str, Item] = {}
        self.access = WikiAccess()

    def put_page(self, id: str, *, space: str, title: str, body: str, kind: str = "page", parent: str = "") -> None:
        version = self.pages[id].version + 1 if id in self.pages else 1
        self.pages[id] = Item(id, title, body, space=space, kind=kind, version=version, parent=parent)

    def put_attachment(self, id: str, *, page: str, title: str, media_type: str, body: bytes) -> None:
        self.files[id] = Item(id, title, body, page=page, media_type=media_type)

    def delete(self, id: str) -> None:
        del self.pages[id]

    # -- Permissions: “user:jane” is a person, “group:staff” a group, “anonymous” everybody ----------------------------

    def user(self, name: str) -> dict[str, Any]:
        raise AssertionError(f"{type(self).__name__} has no users.")

    def group(self, name: str) -> dict[str, Any]:
        return {"type": "group", "name": name, "id": f"id-of-{name}"}

    def told(self, path: str, query: dict[str, str]) -> Page | None:
        """What both editions tell in the same shape: restrictions, and pages of members."""
        start = int(query.get("start", 0))
        if match := re.fullmatch(r"(?:/wiki)?/rest/api/content/(\w+)/restriction/byOperation/read", path):
            given = [name.partition(":") for name in self.access.restrictions.get(match[1], [])]
            users = [self.user(name) for kind, _, name in given if kind == "user"][start : start + AT_ONCE]
            groups = [self.group(name) for kind, _, name in given if kind == "group"][start : start + AT_ONCE]
            parts = {"user": users, "group": groups}
            shown = {k: {"results": v, "start": start, "limit": AT_ONCE, "size": len(v)} for k, v in parts.items()}
            return as_json({"operation": "read", "restrictions": shown, "_links": {}})
        if match := re.fullmatch(r"(?:/wiki)?/rest/api/group/([\w-]+)/member(?:sByGroupId)?", path):
            names = self.access.members.get(match[1].removeprefix("id-of-"))
            if names is None:
                return as_json({"statusCode": 403, "message": "Not permitted to view the group"}, status=403)
            users = [self.user(name) for name in names[start : start + AT_ONCE]]
            return as_json({"results": users, "start": start, "limit": AT_ONCE, "size": len(users), "_links": {}})
        return None

    def download(self, call: Call) -> Page:
        return Page(self.files[path_of(call).split("/")[-2]].body, media_type="application/octet-stream")


class FakeCloud(FakeConfluence):
    """Lists name the next page as a path with a cursor, below `_links.next`."""

    edition, second_page = "cloud", "cursor="

    def respond(self, call: Call) -> Page:
        path = path_of(call)
        return self.told(path, query_of(call)) or self.told_by_cloud(call, path) or self.content(call, path)

    def user(self, name: str) -> dict[str, Any]:
        """Whoever hides their address has an empty one."""
        email = "" if name in self.access.hidden else f"{name}@example.com"
        return {"type": "known", "accountId": f"712020:{name}", "accountType": "atlassian", "email": email}

    def told_by_cloud(self, call: Call, path: str) -> Page | None:
        if match := re.fullmatch(r"/wiki/api/v2/spaces/(\d+)/permissions", path):
            given = self.access.spaces.get(match[1])
            if given is None:
                return as_json({"errors": [{"status": 403, "title": "Not permitted"}]}, status=403)
            return self.part(call, [self.permission(name) for name in given])
        if path == "/wiki/rest/api/user":
            return as_json(self.user(query_of(call)["accountId"].removeprefix("712020:")))
        if path == "/wiki/rest/api/group/by-id":
            return as_json(self.group(query_of(call)["id"].removeprefix("id-of-")))
        if (match := re.fullmatch(r"/wiki/api/v2/folders/(\w+)", path)) and match[1] in self.access.folders:
            parent = self.access.folders[match[1]]
            return as_json({"id": match[1], "type": "folder", "parentId": parent or None, "parentType": "page"})
        return None

    def permission(self, name: str) -> dict[str, Any]:
        kind, _, who = name.partition(":")
        ids = {"user": f"712020:{who}", "group": f"id-of-{who}", "anonymous": "ANONYMOUS_USERS"}
        principal = {"type": kind if who else "role", "id": ids[kind]}
        return {"id": name, "principal": principal, "operation": {"key": "read", "targetType": "space"}}

    def content(self, call: Call, path: str) -> Page:
        if path.startswith("/wiki/download/"):
            return self.download(call)
        if path == "/wiki/api/v2/spaces":
            wanted = [key for key in query_of(call).get("keys", "").split(",") if key]
            found = [{"id": id, "key": key} for key, id in SPACE_IDS.items() if not wanted or key in wanted]
            return self.part(call, found)
        if match := re.fullmatch(r"/wiki/api/v2/spaces/(\d+)/(page|blogpost)s", path):
            pages = [p for p in self.pages.values() if SPACE_IDS[p.space] == match[1] and p.kind == match[2]]
            return self.part(call, [self.shown(page) for page in pages])
        if path == "/wiki/api/v2/attachments":
            return self.part(call, [self.file(file) for file in self.files.values()])
        if (match := re.fullmatch(r"/wiki/api/v2/attachments/(\w+)", path)) and match[1] in self.files:
            return as_json(self.file(self.files[match[1]]))
        if (match := re.fullmatch(r"/wiki/api/v2/(page|blogpost)s/(\d+)", path)) and match[2] in self.pages:
            page, form = self.pages[match[2]], query_of(call)["body-format"]
            return as_json({**self.shown(page), "body": {form: {"representation": form, "value": page.body}}})
        return super().respond(call)

    def part(self, call: Call, items: list[dict[str, Any]]) -> Page:
        start = int(query_of(call).get("cursor", 0))
        links = {"base": f"{self.url}/wiki"}
        if start + AT_ONCE < len(items):
            links["next"] = f"{path_of(call)}?limit={AT_ONCE}&cursor={start + AT_ONCE}"
        return as_json({"results": items[start : start + AT_ONCE], "_links": links})

    def shown(self, page: Item) -> dict[str, Any]:
        return {
            "id": page.id,
            "status": "current",
            "title": page.title,
            "spaceId": SPACE_IDS[page.space],
            "parentId": page.parent or None,
            "parentType": ("folder" if page.parent in self.access.folders else "page") if page.parent else None,
            "version": {"number": page.version, "createdAt": "2026-01-02T03:04:05.678Z", "minorEdit": False},
            "body": {},
            "_links": {"webui": f"/spaces/{page.space}/pages/{page.id}", "tinyui": "/x/AwAG"},
        }

    def file(self, file: Item) -> dict[str, Any]:
        return {
            "id": file.id,
            "status": "current",
            "title": file.title,
            "pageId": file.page,
            "mediaType": file.media_type,
            "fileSize": len(file.body),
            "version": {"number": file.version},
            "downloadLink": f"/download/attachments/{file.page}/{file.id}/{file.title}?version={file.version}",
            "webuiLink": f"/pages/viewpageattachments.action?pageId={file.page}",
        }


class FakeDataCenter(FakeConfluence):
    """Lists name `start` and `limit`, and the next page as a path below `_links.next`."""

    edition, second_page = "data_center", "start="

    def respond(self, call: Call) -> Page:
        path, query = path_of(call), query_of(call)
        if told := self.told(path, query) or self.told_by_data_center(path, query):
            return told
        if path.startswith("/download/"):
            return self.download(call)
        if path == "/rest/api/space":
            wanted = parse_qs(urlsplit(call.path).query).get("spaceKey", [])
            keys = [key for key in SPACE_IDS if not wanted or key in wanted]
            return self.part(call, [{"id": int(SPACE_IDS[key]), "key": key, "type": "global"} for key in keys])
        if path == "/rest/api/content":
            pages = [p for p in self.pages.values() if p.space == query["spaceKey"] and p.kind == query["type"]]
            return self.part(call, [self.shown(page, query.get("expand", "")) for page in pages])
        match = re.fullmatch(r"/rest/api/content/(\w+)", path)
        if match and match[1] in self.files:
            return as_json(self.file(self.files[match[1]]))
        if match and match[1] in self.pages:
            page, form = self.pages[match[1]], query["expand"].removeprefix("body.")
            return as_json({**self.shown(page, ""), "body": {form: {"value": page.body, "representation": form}}})
        return super().respond(call)

    def user(self, name: str) -> dict[str, Any]:
        """Tells the address only where an app adds it."""
        found = {"type": "known", "username": name, "userKey": f"key-{name}", "displayName": name.title()}
        return found if name in self.access.hidden else {**found, "email": f"{name}@example.com"}

    def told_by_data_center(self, path: str, query: dict[str, str]) -> Page | None:
        if match := re.fullmatch(r"/rest/api/space/(\w+)/permissions", path):
            given = self.access.spaces.get(SPACE_IDS[match[1]])
            if given is None:
                return as_json({"statusCode": 403, "message": "Only space admins may do this."}, status=403)
            return as_json([self.permission(name) for name in given])
        if path == "/rest/api/user":
            return as_json(self.user(query["key"].removeprefix("key-")))
        return None

    def permission(self, name: str) -> dict[str, Any]:
        kind, _, who = name.partition(":")
        subject = {"type": "user", "userKey": f"key-{who}"} if kind == "user" else {"type": "group", "name": who}
        found = {"operation": {"targetType": "space", "operationKey": "read"}, "spaceKey": "HELP"}
        return found if kind == "anonymous" else {**found, "subject": subject}

    def part(self, call: Call, items: list[dict[str, Any]]) -> Page:
        query = query_of(call)
        start = int(query.pop("start", 0))
        links = {"self": self.url + call.path, "base": self.url, "context": ""}
        if start + AT_ONCE < len(items):
            rest = "".join(f"&{name}={value}" for name, value in query.items())
            links["next"] = f"{path_of(call)}?start={start + AT_ONCE}{rest}"
        found = items[start : start + AT_ONCE]
        return as_json({"results": found, "start": start, "limit": AT_ONCE, "size": len(found), "_links": links})

    def shown(self, page: Item, expand: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            "id": page.id,
            "type": page.kind,
            "status": "current",
            "title": page.title,
            "version": {"number": page.version, "when": "2026-01-02T03:04:05.678+01:00"},
            "_links": {"webui": f"/display/{page.space}/pages/{page.id}"},
        }
        if "ancestors" in expand:
            found["ancestors"] = [{"id": id, "type": "page", "title": self.pages[id].title} for id in self.above(page)]
        if "children.attachment" in expand:
            files = [self.file(file) for file in self.files.values() if file.page == page.id]
            found["children"] = {"attachment": {"results": files, "size": len(files), "_links": {}}}
        return found

    def above(self, page: Item) -> list[str]:
        return [*self.above(self.pages[page.parent]), page.parent] if page.parent else []

    def file(self, file: Item) -> dict[str, Any]:
        return {
            "id": file.id,
            "type": "attachment",
            "title": file.title,
            "version": {"number": file.version},
            "metadata": {"mediaType": file.media_type},
            "extensions": {"mediaType": file.media_type, "fileSize": len(file.body)},
            "_links": {
                "download": f"/download/attachments/{file.page}/{file.id}/{file.title}?version={file.version}",
                "webui": f"/pages/viewpage.action?pageId={file.page}",
            },
        }
