"""A real website on the loopback, scripted by the test: routes answer with what the test says, and calls are kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """One answer. `pause_seconds` waits before it, `drip_seconds` between the bytes of its body."""

    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "text/html; charset=utf-8"
    pause_seconds: float = 0.0
    drip_seconds: float = 0.0
    # Announce more than is sent, then hang up.
    is_cut_off: bool = False

    @property
    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else self.body


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


Answer = Page | list[Page] | Callable[[Call], Page]


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that leaves early is what many tests are about."""


class FakeWebsite:
    """`site.routes["/a"] = Page(...)`; a list is used up answer by answer (the last one stays)."""

    def __init__(self, host: str = "127.0.0.1", *, tls: Any = None) -> None:
        self.routes: dict[str, Answer] = {}
        self.calls: list[Call] = []
        self._server = QuietServer((host, 0), handler_for(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.host, self.port = host, self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def page(
        self, path: str, *links: str, title: str = "", head: str = "", text: str = "Some text.", **more: Any
    ) -> str:
        """Put an HTML page that links to others; returns its address."""
        anchors = "".join(f'<p><a href="{link}">{link}</a></p>' for link in links)
        start = f"<!doctype html><html><head><title>{title or path}</title>{head}</head>"
        html = f"{start}<body><h1>{title}</h1>{text}{anchors}</body></html>"
        self.routes[path] = Page(html, **more)
        return self.url + path

    def answer(self, call: Call) -> Page:
        self.calls.append(call)
        route = self.routes.get(call.path, Page("Not here", status=404))
        if callable(route):
            return route(call)
        if isinstance(route, list):
            return route.pop(0) if len(route) > 1 else route[0]
        return route

    def paths(self) -> list[str]:
        return [call.path for call in self.calls if call.path != "/robots.txt"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def fake_website(host: str = "127.0.0.1", *, tls: Any = None) -> Iterator[FakeWebsite]:
    site = FakeWebsite(host, tls=tls)
    try:
        yield site
    finally:
        site.close()


def with_etag(page: Page, etag: str) -> Callable[[Call], Page]:
    """A page that answers 304 to whoever has it already."""

    def answer(call: Call) -> Page:
        if call.headers.get("If-None-Match") == etag:
            return Page(status=304, headers={"ETag": etag})
        return Page(page.body, headers={**page.headers, "ETag": etag}, media_type=page.media_type)

    return answer


def handler_for(site: FakeWebsite) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = dict(self.headers.items())
            page = site.answer(Call(self.command, self.path, headers, self.rfile.read(length)))
            self.send(page)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def send(self, page: Page) -> None:
            time.sleep(page.pause_seconds)
            self.send_response(page.status)
            if page.status != 304:
                self.send_header("Content-Type", page.media_type)
            self.send_header("Content-Length", str(len(page.content) + 100 * page.is_cut_off))
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for part in [page.content] if not page.drip_seconds else [bytes([b]) for b in page.content]:
                self.wfile.write(part)
                time.sleep(page.drip_seconds)
            self.close_connection = self.close_connection or page.is_cut_off

        def log_message(self, *_: Any) -> None:
            """A test prints only what it asserts."""

    return Handler
