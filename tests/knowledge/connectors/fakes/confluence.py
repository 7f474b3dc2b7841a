"""Confluence as its public documentation describes it, in both editions, on the loopback.

Shapes follow, as consulted on 2026-11-22:
- cloud: https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-page/ (also -space, -attachment)
- data center: https://developer.atlassian.com/server/confluence/confluence-rest-api-examples/ and
  https://developer.atlassian.com/server/confluence/pagination-in-the-rest-api
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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

    def put_page(self, id: str, *, space: str, title: str, body: str, kind: str = "page") -> None:
        version = self.pages[id].version + 1 if id in self.pages else 1
        self.pages[id] = Item(id, title, body, space=space, kind=kind, version=version)

    def put_attachment(self, id: str, *, page: str, title: str, media_type: str, body: bytes) -> None:
        self.files[id] = Item(id, title, body, page=page, media_type=media_type)

    def delete(self, id: str) -> None:
        del self.pages[id]

    def download(self, call: Call) -> Page:
        return Page(self.files[path_of(call).split("/")[-2]].body, media_type="application/octet-stream")


class FakeCloud(FakeConfluence):
    """Lists name the next page as a path with a cursor, below `_links.next`."""

    edition, second_page = "cloud", "cursor="

    def respond(self, call: Call) -> Page:
        path = path_of(call)
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
        if "children.attachment" in expand:
            files = [self.file(file) for file in self.files.values() if file.page == page.id]
            found["children"] = {"attachment": {"results": files, "size": len(files), "_links": {}}}
        return found

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
