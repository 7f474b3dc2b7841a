"""Whatever a request holds (paths, bodies nested without end, headers, broken lengths), no endpoint ends in a fault."""

from __future__ import annotations

import json
import re
import socket
from typing import Any
from urllib.parse import quote

import pytest

from magnet.database import in_database
from magnet.default_prompts import ensure_default_prompts
from tests import factories
from tests.fixtures_api import bearer
from tools_app.models import ApiServer, ApiTool, RagTool, RetrievalTool

pytestmark = pytest.mark.django_db(transaction=True)

DEEP = b'{"question": "x", "input": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
BODIES = {
    "deep list": DEEP,
    "deep object": b'{"arguments":' * 10_000 + b"1" + b"}" * 10_000,
    "not closed": b'{"question": ' + b"[" * 10_000,
    "infinite": b'{"question": 1e999, "filter": NaN, "timeout_seconds": Infinity}',
    "a long number": b'{"question": ' + b"9" * 5_000 + b"}",
    "half a letter": b'{"question": "\\ud800", "name": "\\u0000", "slug": "a\\u0000"}',
    "not UTF-8": b'{"question": "\xff\xfe"}',
    "a list": b"[1]",
    "nothing": b"",
    "null": b"null",
}
ANSWERING = (
    "/api/rag-tools/ask/answer",
    "/api/retrieval-tools/look/search",
    "/api/prompt-templates/rag-answer/run",
    "/api/api-tools/orders/run",
    "/api/api-servers/shop/import",
    "/api/import",
    "/api/traces/01890000-0000-7000-8000-000000000000/explain",
    "/api/traces/01890000-0000-7000-8000-000000000000/feedback",
)
SEGMENTS = ("a\0b", "x" * 5_000, "\ud800")


@pytest.fixture
def furnished(transactional_db):
    ensure_default_prompts()
    source = factories.source("office")
    RagTool.objects.create_live(slug="ask", name="Ask", settings={"sources": [source]})
    RetrievalTool.objects.create_live(slug="look", name="Look", settings={"sources": [source]})
    shop = ApiServer.objects.create(slug="shop", name="Shop")
    ApiTool.objects.create(
        slug="orders", name="Orders", server=shop, path="/orders", is_mocked=True, mock_response="{}"
    )


async def test_bodies_that_mean_harm_are_refused_by_everything_that_answers(furnished, api):
    faults = []
    for path in ANSWERING:
        for name, body in BODIES.items():
            answer = await api.post(path, content=body, headers={"Content-Type": "application/json"})
            if not 400 <= answer.status_code < 500 or answer.status_code == 429:
                faults.append((path, name, answer.status_code, answer.text[:200]))

    assert faults == []


async def test_no_part_of_an_address_ends_in_a_fault(furnished, api):
    documented = (await api.get("/schema/openapi.json")).json()
    faults = []
    for path, operations in documented["paths"].items():
        if "{" not in path:
            continue
        for segment in SEGMENTS:
            address = filled(path, segment)
            for method in operations.keys() & {"get", "post", "patch", "put", "delete"}:
                body: dict[str, Any] = {} if method in ("get", "delete") else {"json": {}}
                answer = await api.request(method.upper(), address, **body)
                if answer.status_code >= 500 or answer.status_code == 429:
                    faults.append((method, path, segment[:20], answer.status_code, answer.text[:200]))

    assert faults == []


def filled(path: str, segment: str) -> str:
    written = quote(segment.encode("utf-8", "surrogatepass"), safe="")
    return re.sub(r"{[^}]+}", lambda _gap: written, path)


@pytest.mark.parametrize(
    "values",
    [
        {"timeout_seconds": "NaN"},
        {"timeout_seconds": -1},
        {"timeout_seconds": 1e308},
        {"max_response_kb": 10**30},
        {"name": "a\0b"},
        {"name": "x" * 100_000},
        {"base_url": "https://" + "a" * 64 + ".example"},
        {"base_url": "https://a..example"},
        {"headers": {"Host": "elsewhere"}},
        {"headers": {"X-A": "a\r\nHost: b"}},
        {"headers": {"": "x"}},
        {"auth_kind": "key_in_header", "auth_config": {"header": "Transfer-Encoding"}},
        {"auth_config": {"x": {"y": ["\0"]}}},
        {"secrets": {"\0": "\0"}},
        {"tags": ["a\0b"]},
    ],
)
async def test_settings_of_an_api_server_that_cannot_be_are_refused(api, values):
    answer = await api.post("/api/api-servers", json={"name": "Shop", "slug": "shop", **values})

    assert 400 <= answer.status_code < 500, answer.text
    assert not await in_database(lambda: ApiServer.objects.exists())


# -- Below HTTP ----------------------------------------------------------------------------------------------------

CHUNKS = {
    "a size that is none": b"zz\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "less than it says": b"5\r\nhello world\r\n0\r\n\r\n",
}


@pytest.fixture
def raw(live_api, issue_key):
    """Sends bytes as they are, and gives the status of the answer; 0 where the server only hung up."""
    key = issue_key()

    def send(lines: list[str], body: bytes, *, path: str = "/api/rag-tools/ask/answer") -> int:
        headers = ["Host: localhost", f"Authorization: {bearer(key)['Authorization']}", *lines]
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in headers) + "\r\n"
        with socket.create_connection(("127.0.0.1", live_api.port), timeout=30) as connection:
            connection.sendall(head.encode() + body)
            found = connection.makefile("rb").readline().split(b" ")
        return int(found[1]) if len(found) > 1 else 0

    return send


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_a_body_in_broken_chunks_is_no_fault_of_ours(furnished, raw, live_api, chunks):
    assert raw(["Content-Type: application/json", "Transfer-Encoding: chunked"], chunks) in (0, 400)
    assert live_api.client().get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["X-Long: " + "x" * 1_000_000],
        [f"X-{number}: {'x' * 100}" for number in range(10_000)],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: -1"],
        ["Content-Length: five"],
        ["Content-Length: 99999999999999999999"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ],
    ids=["long", "many", "two lengths", "negative", "a word", "endless", "both"],
)
def test_headers_out_of_all_proportion_are_refused(furnished, raw, live_api, lines):
    try:
        status = raw(["Content-Type: application/json", *lines], json.dumps({"question": "x"}).encode())
    except (ConnectionResetError, BrokenPipeError):
        status = 0

    assert status in (0, 400, 404, 413, 422, 431)
    assert live_api.client().get("/health/live").status_code == 200
