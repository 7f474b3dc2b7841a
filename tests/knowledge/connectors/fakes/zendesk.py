"""Zendesk's help center API as its public documentation describes it, on the loopback.

Shapes follow, as consulted on 2026-11-22:
- https://developer.zendesk.com/api-reference/help_center/help-center-api/articles/ (cursor pages)
- https://developer.zendesk.com/api-reference/help_center/help-center-api/article_attachments/
- https://developer.zendesk.com/api-reference/help_center/help-center-api/user_segments/
"""

from __future__ import annotations

import base64
import re
from typing import Any

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, as_json, path_of, query_of

AT_ONCE = 2


class FakeZendesk(FakeApi):
    kind, second_page = "zendesk", "page%5Bafter%5D="
    authorization = "Basic " + base64.b64encode(b"me@example.com/token:zd-s3cret").decode()

    def __init__(self) -> None:
        super().__init__()
        self.articles: dict[str, dict[int, dict[str, Any]]] = {"en-us": {}, "de": {}}
        self.attachments: dict[int, list[dict[str, Any]]] = {}
        self.files: dict[str, bytes] = {}

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"address": self.url, "email": "me@example.com"}, {"token": "zd-s3cret"}

    def put(self, number: int, text: str, *, locale: str = "en-us", **more: Any) -> None:
        before = self.articles[locale].get(number)
        edits = before["vote_count"] + 1 if before else 1
        self.articles[locale][number] = {
            "id": number,
            "url": f"{self.url}/api/v2/help_center/{locale}/articles/{number}.json",
            "html_url": f"{self.url}/hc/{locale}/articles/{number}",
            "title": f"Article {number}",
            "body": f"<p>{text}</p>",
            "draft": False,
            "user_segment_id": None,
            "label_names": ["help"],
            "updated_at": f"2026-01-02T03:04:{edits:02d}Z",
            "vote_count": edits,
            **more,
        }

    def remove(self, number: int) -> None:
        del self.articles["en-us"][number]

    def remote_id(self, number: int) -> str:
        return f"en-us/{number}"

    def attach(self, article: int, *, id: int, name: str, media_type: str, body: bytes, inline: bool = False) -> None:
        address = f"{self.url}/hc/article_attachments/{id}/{name}"
        item = {"id": id, "article_id": article, "file_name": name, "content_url": address, "inline": inline}
        item |= {"content_type": media_type, "size": len(body), "updated_at": "2026-01-02T03:04:05Z"}
        self.attachments.setdefault(article, []).append(item)
        self.files[f"/hc/article_attachments/{id}/{name}"] = body

    def refuse(self, call: Call) -> Page:
        return as_json({"error": "Couldn't authenticate you"}, status=401)

    def respond(self, call: Call) -> Page:
        path = path_of(call).removeprefix("/api/v2/help_center")
        if path in self.files:
            return Page(self.files[path], media_type="application/octet-stream")
        if path == "/locales":
            return as_json({"locales": list(self.articles), "default_locale": "en-us"})
        if path == "/user_segments":
            return as_json({"user_segments": [{"id": 7, "name": "Agents"}], "next_page": None})
        if (match := re.fullmatch(r"/([\w-]+)/articles", path)) and match[1] in self.articles:
            return self.part(call, list(self.articles[match[1]].values()))
        if match := re.fullmatch(r"/articles/(\d+)/attachments", path):
            return as_json({"article_attachments": self.attachments.get(int(match[1]), []), "next_page": None})
        match = re.fullmatch(r"/([\w-]+)/articles/(\d+)", path)
        if match and int(match[2]) in self.articles.get(match[1], {}):
            return as_json({"article": self.articles[match[1]][int(match[2])]})
        return as_json({"error": "RecordNotFound", "description": "Not found"}, status=404)

    def part(self, call: Call, items: list[dict[str, Any]]) -> Page:
        start = int(query_of(call).get("page[after]", 0))
        has_more = start + AT_ONCE < len(items)
        meta = {"has_more": has_more, "after_cursor": str(start + AT_ONCE) if has_more else None, "before_cursor": None}
        return as_json(
            {"articles": items[start : start + AT_ONCE], "meta": meta, "links": {"prev": None, "next": None}}
        )
