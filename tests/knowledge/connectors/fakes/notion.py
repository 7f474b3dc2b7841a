"""Notion's API as its public documentation describes it, on the loopback.

Shapes follow, as consulted on 2026-11-22:
- https://developers.notion.com/reference/post-search and https://developers.notion.com/reference/post-database-query
- https://developers.notion.com/reference/get-block-children and https://developers.notion.com/reference/block
- https://developers.notion.com/reference/page-property-values
"""

from __future__ import annotations

import re
from typing import Any

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, as_json, path_of, query_of, sent_json

AT_ONCE = 2


def words(text: str, href: str | None = None) -> list[dict[str, Any]]:
    return [{"type": "text", "text": {"content": text}, "plain_text": text, "href": href}]


def page_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


class FakeNotion(FakeApi):
    kind, second_page = "notion", '"start_cursor"'
    authorization = "Bearer ntn_secret"

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, dict[str, Any]] = {}
        self.blocks: dict[str, list[dict[str, Any]]] = {}
        self.files: dict[str, bytes] = {}

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"api_address": self.url}, {"token": "ntn_secret"}

    def put(self, number: int, text: str, **properties: Any) -> None:
        before = self.pages.get(page_id(number))
        edits = before["edits"] + 1 if before else 1
        self.pages[page_id(number)] = {
            "object": "page",
            "id": page_id(number),
            "last_edited_time": f"2026-01-02T03:{edits:02d}:00.000Z",
            "archived": False,
            "in_trash": False,
            "parent": {"type": "workspace", "workspace": True},
            "url": f"https://www.notion.so/Page-{number}",
            "properties": {"Name": {"id": "title", "type": "title", "title": words(f"Page {number}")}, **properties},
            "edits": edits,
        }
        self.blocks[page_id(number)] = [self.block(f"{number}-1", "paragraph", rich_text=words(text))]

    def remove(self, number: int) -> None:
        self.pages[page_id(number)] |= {"archived": True, "in_trash": True}

    def remote_id(self, number: int) -> str:
        return page_id(number)

    def block(self, id: str, kind: str, *, has_children: bool = False, **content: Any) -> dict[str, Any]:
        return {"object": "block", "id": id, "type": kind, "has_children": has_children, kind: content}

    def refuse(self, call: Call) -> Page:
        body = {"object": "error", "status": 401, "code": "unauthorized", "message": "API token is invalid."}
        return as_json(body, status=401)

    def respond(self, call: Call) -> Page:
        path = path_of(call)
        if path in self.files:
            return Page(self.files[path], media_type="application/octet-stream")
        if call.headers.get("Notion-Version") != "2022-06-28":
            return as_json({"object": "error", "status": 400, "code": "missing_version"}, status=400)
        if path == "/v1/users/me":
            return as_json({"object": "user", "id": "1", "name": "Magnet", "type": "bot"})
        if path == "/v1/search" or re.fullmatch(r"/v1/databases/[0-9a-f-]+/query", path):
            asked = sent_json(call)
            pages = [page for page in self.pages.values() if not page["in_trash"]]
            if "databases" in path:
                pages = [page for page in pages if page["parent"].get("database_id") == path.split("/")[3]]
            return self.part(asked.get("start_cursor"), pages)
        if (match := re.fullmatch(r"/v1/blocks/([\w-]+)/children", path)) and match[1] in self.blocks:
            return self.part(query_of(call).get("start_cursor"), self.blocks[match[1]])
        if (match := re.fullmatch(r"/v1/pages/([\w-]+)", path)) and match[1] in self.pages:
            return as_json(self.pages[match[1]])
        return as_json({"object": "error", "status": 404, "code": "object_not_found"}, status=404)

    def part(self, cursor: str | None, items: list[dict[str, Any]]) -> Page:
        start = int(cursor or 0)
        has_more = start + AT_ONCE < len(items)
        following = str(start + AT_ONCE) if has_more else None
        found = items[start : start + AT_ONCE]
        return as_json({"object": "list", "results": found, "next_cursor": following, "has_more": has_more})
