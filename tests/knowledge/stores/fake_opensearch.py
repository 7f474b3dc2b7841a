"""OpenSearch on the loopback: indexes of vectors, searched exactly.

Shapes, as of November 2026, from https://docs.opensearch.org/latest/api-reference/: index-apis/create-index and
/delete-index, document-apis/bulk and /delete-by-query, search-apis/search, /scroll and /count, and from
https://docs.opensearch.org/latest/query-dsl/specialized/k-nn/ with the scores of
https://docs.opensearch.org/latest/field-types/supported-field-types/knn-spaces/ (cosinesimil: (1 + cosine) / 2).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np

from tests.fake_website import QuietServer

Said = tuple[int, Any]


class FakeOpenSearch:
    def __init__(self) -> None:
        self.indexes: dict[str, dict[str, Any]] = {}
        self.dimensions: dict[str, int] = {}
        self.scrolls: dict[str, list[Any]] = {}
        # Called when vectors were written, before the writer is told.
        self.on_written: Callable[[], object] = lambda: None
        self._server = QuietServer(("127.0.0.1", 0), handler_for(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes) -> Said:
        parts = [unquote(part) for part in urlsplit(path).path.split("/") if part]
        if not parts:
            return 200, {"version": {"distribution": "opensearch", "number": "3.3.0"}}
        if parts == ["_bulk"]:
            return self.bulk([json.loads(line) for line in body.splitlines()])
        if parts[:2] == ["_search", "scroll"]:
            return self.scrolled(json.loads(body), method)
        if parts == ["*", "_alias"]:
            return 200, {name: {"aliases": {}} for name in self.indexes}
        return self.of_index(method, parts, json.loads(body) if body else {}, dict(parse_qsl(urlsplit(path).query)))

    def of_index(self, method: str, parts: list[str], said: Any, asked: dict[str, str]) -> Said:
        name, *verb = parts
        if method == "PUT" and not verb:
            return self.make(name, said)
        if method == "DELETE":
            self.indexes.pop(name, None)
            return 200, {"acknowledged": True}
        if name not in self.indexes:
            return 404, {"error": {"type": "index_not_found_exception", "reason": f"no such index [{name}]"}}
        match verb:
            case ["_search"]:
                return self.scan(name, int(asked["size"])) if "scroll" in asked else self.search(name, said)
            case ["_delete_by_query"]:
                ids = said["query"]["bool"]["filter"][0]["terms"]["_id"]
                return 200, {"deleted": sum(self.indexes[name].pop(id, None) is not None for id in ids)}
            case ["_count"]:
                return 200, {"count": len(self.indexes[name])}
        return 200, {name: {}}

    def make(self, name: str, said: Any) -> Said:
        if name in self.indexes:
            return 400, {"error": {"type": "resource_already_exists_exception"}}
        vector = said["mappings"]["properties"]["embedding"]
        assert said["settings"]["index"]["knn"]
        assert vector["method"]["space_type"] == "cosinesimil"
        self.indexes[name], self.dimensions[name] = {}, vector["dimension"]
        return 200, {"acknowledged": True, "index": name}

    def bulk(self, lines: list[Any]) -> Said:
        items = []
        for order, document in zip(lines[::2], lines[1::2], strict=True):
            name, id = order["index"]["_index"], order["index"]["_id"]
            assert len(document["embedding"]) == self.dimensions[name]
            self.indexes[name][id] = document
            items.append({"index": {"_index": name, "_id": id, "status": 201}})
        self.on_written()
        return 200, {"errors": False, "items": items}

    def search(self, name: str, said: Any) -> Said:
        asked = said["query"]["knn"]["embedding"]
        hits = [
            {"_id": id, "_score": (1 + cosine(asked["vector"], document["embedding"])) / 2, "_source": shown(document)}
            for id, document in self.indexes[name].items()
        ]
        hits.sort(key=lambda hit: -hit["_score"])
        return 200, {"hits": {"hits": hits[: min(said["size"], asked["k"])]}, "_shards": {}}

    def scan(self, name: str, size: int) -> Said:
        hits = [{"_id": id} for id in self.indexes[name]]
        self.scrolls["1"] = [hits[start : start + size] for start in range(size, len(hits), size)]
        return self.page(hits[:size])

    def scrolled(self, said: Any, method: str) -> Said:
        if method == "DELETE":
            return 200, {"succeeded": True}
        waiting = self.scrolls[said["scroll_id"]]
        return self.page(waiting.pop(0) if waiting else [])

    def page(self, hits: list[Any]) -> Said:
        shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
        return 200, {"_scroll_id": "1", "hits": {"hits": hits}, "_shards": shards}


def shown(document: Any) -> Any:
    return {name: value for name, value in document.items() if name != "embedding"}


def cosine(one: list[float], other: list[float]) -> float:
    a, b = np.array(one), np.array(other)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@contextmanager
def fake_opensearch() -> Iterator[FakeOpenSearch]:
    server = FakeOpenSearch()
    try:
        yield server
    finally:
        server.close()


def handler_for(server: FakeOpenSearch) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, said = server.answer(self.command, self.path, body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            """A test prints only what it asserts."""

    return Handler
