"""HubSpot's CMS API as its public documentation describes it, with the public pages, on the loopback.

Shapes follow, as consulted on 2026-11-22:
- https://developers.hubspot.com/docs/api-reference/cms-posts-v3/guide (also cms-pages-v3)
- https://developers.hubspot.com/docs/api-reference/2027-03-beta/cms/knowledge-base/guide (articles)
"""

from __future__ import annotations

from typing import Any

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, as_json, path_of, query_of

LISTS = {
    "/cms/v3/pages/site-pages": "site-pages",
    "/cms/v3/pages/landing-pages": "landing-pages",
    "/cms/v3/blogs/posts": "blog-posts",
    "/cms/knowledge-base/2027-03-beta/articles": "knowledge-articles",
}
AT_ONCE = 2


class FakeHubSpot(FakeApi):
    kind, second_page = "hubspot", "after="
    authorization = "Bearer pat-eu1-secret"

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in LISTS.values()}
        self.public: dict[str, str] = {}

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"api_address": self.url}, {"token": "pat-eu1-secret"}

    def put(self, number: int, text: str) -> None:
        self.put_post(str(number), body=f"<p>{text}</p>")

    def remove(self, number: int) -> None:
        del self.items["blog-posts"][str(number)]

    def remote_id(self, number: int) -> str:
        return f"blog-posts/{number}"

    def put_post(self, id: str, *, body: str, **more: Any) -> None:
        posts = self.items["blog-posts"]
        edits = posts[id]["edits"] + 1 if id in posts else 1
        posts[id] = {**self.item(id, edits=edits), "postBody": body, **more}

    def put_page(self, id: str, *, kind: str = "site-pages", text: str = "", **more: Any) -> None:
        self.items[kind][id] = {**self.item(id, edits=1), **more}
        self.public[f"/{id}"] = f"<html><head><title>{id}</title></head><body><main><p>{text}</p></main></body></html>"

    def item(self, id: str, *, edits: int) -> dict[str, Any]:
        return {
            "id": id,
            "name": f"Name of {id}",
            "htmlTitle": f"Title of {id}",
            "slug": id,
            "language": "en",
            "url": f"{self.url}/{id}",
            "currentState": "PUBLISHED",
            "currentlyPublished": True,
            "archivedInDashboard": False,
            "updated": f"2026-01-02T03:04:{edits:02d}.678Z",
            "edits": edits,
        }

    def may_enter(self, call: Call) -> bool:
        return path_of(call) in self.public or super().may_enter(call)

    def refuse(self, call: Call) -> Page:
        body = {
            "status": "error",
            "message": "Authentication credentials not found.",
            "category": "INVALID_AUTHENTICATION",
        }
        return as_json(body, status=401)

    def respond(self, call: Call) -> Page:
        path = path_of(call)
        if path in self.public:
            return Page(self.public[path])
        if path in LISTS:
            return self.part(call, list(self.items[LISTS[path]].values()))
        parent, _, id = path.rpartition("/")
        if parent in LISTS and id in self.items[LISTS[parent]]:
            return as_json(self.items[LISTS[parent]][id])
        return as_json({"status": "error", "message": "resource not found"}, status=404)

    def part(self, call: Call, items: list[dict[str, Any]]) -> Page:
        start = int(query_of(call).get("after", 0))
        page: dict[str, Any] = {"total": len(items), "results": items[start : start + AT_ONCE]}
        if start + AT_ONCE < len(items):
            page["paging"] = {"next": {"after": str(start + AT_ONCE), "link": f"?after={start + AT_ONCE}"}}
        return as_json(page)
