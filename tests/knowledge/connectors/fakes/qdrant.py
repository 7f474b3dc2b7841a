"""A collection of Qdrant on the loopback.

Shapes, as of November 2026: https://api.qdrant.tech/api-reference/collections/get-collection, /points/scroll-points
(sorted by id, `next_page_offset` is the id that the next page begins with) and /points/get-point.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, as_json, path_of, sent_json


class FakeQdrant(FakeApi):
    """`points` by id: the payload and the vector (a list, or several by name)."""

    page_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.points: dict[Any, tuple[dict[str, Any], Any]] = {}

    def may_enter(self, call: Call) -> bool:
        return call.headers.get("api-key") == "qd-secret"

    def refuse(self, call: Call) -> Page:
        return Page("Must provide an API key or an Authorization bearer token", status=401)

    def respond(self, call: Call) -> Page:
        path = unquote(path_of(call))
        if not path.startswith("/collections/help texts"):
            said = {"status": {"error": "Not found: Collection doesn't exist!"}, "time": 0.0001}
            return as_json(said, status=404)
        if path.endswith("/points/scroll"):
            return self.scroll(sent_json(call))
        if "/points/" in path:
            return self.point(path.rpartition("/")[2])
        return self.result({"status": "green", "points_count": len(self.points)})

    def scroll(self, asked: dict[str, Any]) -> Page:
        assert asked["limit"] == 200
        ids = sorted(self.points, key=str)
        start = ids.index(asked["offset"]) if asked.get("offset") is not None else 0
        page = ids[start : start + self.page_size]
        following = ids[start + self.page_size] if start + self.page_size < len(ids) else None
        points = [self.shown(id, with_vector=asked["with_vector"]) for id in page]
        return self.result({"points": points, "next_page_offset": following})

    def point(self, said: str) -> Page:
        found = next((id for id in self.points if str(id) == said), None)
        if found is None:
            return as_json({"status": {"error": f"Not found: Point with id {said} does not exists!"}}, status=404)
        return self.result(self.shown(found, with_vector=True))

    def shown(self, id: Any, *, with_vector: Any) -> dict[str, Any]:
        payload, vector = self.points[id]
        point = {"id": id, "payload": payload}
        if not with_vector:
            return point
        if isinstance(with_vector, list):
            vector = {name: vector[name] for name in with_vector}
        return {**point, "vector": json.loads(json.dumps(vector))}

    def result(self, result: Any) -> Page:
        return as_json({"result": result, "status": "ok", "time": 0.0005})
