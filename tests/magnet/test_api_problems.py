"""Whatever goes wrong, callers read Problem Details that say what to do; and what may be sent has limits."""

from __future__ import annotations

import socket

import httpx
import pytest
from django.db import IntegrityError
from django.test import AsyncClient, Client

from magnet.api import providers as api_providers
from magnet.database import in_database
from magnet.models import Provider, User
from tests.fixtures_api import bearer

pytestmark = pytest.mark.django_db(transaction=True)

MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "instance"}


def assert_problem(response, status, code):
    assert response.headers["Content-Type"] == "application/problem+json"
    said = response.json()
    assert response.status_code == said["status"] == status, said
    assert said["code"] == code
    assert set(said) >= MEMBERS
    assert said["request_id"] == response.headers["X-Request-ID"]
    assert said["detail"].endswith((".", "…", ")"))
    return said


async def test_unknown_addresses(api):
    assert_problem(await api.get("/api/unknown"), 404, "not_found")
    assert_problem(await api.get("/api/providers/"), 404, "not_found")
    assert_problem(await api.get("/api/providers/nobody"), 404, "not_found")
    assert_problem(await api.get("/schema/unknown"), 404, "not_found")


async def test_a_method_that_is_not_there(api):
    response = await api.put("/api/providers", json={})
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, POST"


async def test_malformed_json(api):
    for body in (b"{", b"\xff\xfe", b"[" * 100_000, b'{"name": NaN,}'):
        headers = {"Content-Type": "application/json"}
        assert_problem(await api.post("/api/providers", content=body, headers=headers), 400, "malformed_request")


async def test_the_wrong_kind_of_content(api):
    said = assert_problem(
        await api.post("/api/providers", content=b"name=x", headers={"Content-Type": "text/plain"}),
        415,
        "unsupported_media_type",
    )
    assert "application/json" in said["detail"]


async def test_fields_that_do_not_fit_are_named(api):
    said = assert_problem(await api.post("/api/providers", json={"nome": "x"}), 422, "invalid_input")
    assert set(said["errors"]) == {"name", "kind", "nome"}
    said = assert_problem(await api.get("/api/providers?limit=0"), 422, "invalid_input")
    assert list(said["errors"]) == ["limit"]
    said = assert_problem(await api.get("/api/providers?ordering=password"), 422, "invalid_input")
    assert "name" in said["allowed"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"name": "A", "kind": "local", "slug": "A b"}, "slug: Use lower-case letters, digits and single hyphens."),
        ({"name": "A"}, "kind: This is required."),
        ({"name": "", "kind": "local"}, "name: This must not be empty."),
        ({"name": "x" * 999, "kind": "local"}, "name: Send at most 200 characters."),
        ({"name": 5, "kind": "local"}, "name: Send a text."),
        ({"name": "A", "kind": "local", "nome": 1}, "nome: There is no such field."),
    ],
)
async def test_the_detail_names_the_field_and_says_what_to_do(api, body, detail):
    said = assert_problem(await api.post("/api/providers", json=body), 422, "invalid_input")
    assert said["detail"] == detail
    assert list(said["errors"].values()) == [[detail.partition(": ")[2]]]


async def test_a_number_is_asked_for_in_plain_words(api):
    for wrong, sentence in (("x", "Send a whole number."), ("0", "Use 1 or more.")):
        said = assert_problem(await api.get(f"/api/providers?limit={wrong}"), 422, "invalid_input")
        assert said["detail"] == f"limit: {sentence}"


async def test_a_problem_is_written_as_it_is_read(api):
    assert "“nobody”".encode() in (await api.get("/api/providers/nobody")).content


async def test_nul_and_broken_characters_are_refused_with_a_sentence(api):
    assert_problem(await api.post("/api/providers", json={"name": "a\0b", "kind": "local"}), 422, "invalid_input")
    headers = {"Content-Type": "application/json"}
    broken = await api.post("/api/providers", content=b'{"name": "\\ud800", "kind": "local"}', headers=headers)
    assert_problem(broken, 422, "invalid_input")
    assert_problem(await api.get("/api/providers?search=a%00b"), 422, "invalid_input")
    assert_problem(await api.get("/api/providers/a%00b"), 404, "not_found")
    assert (await api.get("/api/traces?slug=a%00b")).json() == {"items": [], "count": 0}


async def test_a_request_id_is_kept_when_it_is_sane(api):
    kept = await api.get("/api/providers", headers={"X-Request-ID": "order-17"})
    replaced = await api.get("/api/providers", headers={"X-Request-ID": "a b\tc"})
    assert kept.headers["X-Request-ID"] == "order-17"
    assert len(replaced.headers["X-Request-ID"]) == 32


async def test_a_fault_of_our_own_tells_nothing_of_the_inside(api, monkeypatch):
    # Stands for a bug: nothing that a caller can send does this.
    def broken(slug):
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(api_providers, "find", broken)
    response = await api.get("/api/providers/any")
    assert_problem(response, 500, "internal_error")
    assert "hunter2" not in response.text


async def test_a_broken_rule_of_the_database_is_a_conflict(api, monkeypatch):
    def twice(slug):
        Provider.objects.create(slug="same", name="Same", kind="local")
        Provider.objects.create(slug="same", name="Same", kind="local")

    monkeypatch.setattr(api_providers, "find", twice)
    assert_problem(await api.get("/api/providers/any"), 409, "conflict")
    with pytest.raises(IntegrityError):
        await in_database(twice, "")


async def test_errors_outside_the_api_are_pages_for_people():
    response = await AsyncClient().get("/unknown")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


async def test_security_headers_stand_on_every_answer(api):
    for path in ("/api/providers", "/api/unknown"):
        headers = (await api.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"


# -- Size ----------------------------------------------------------------------------------------------------------


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_read(live_api, issue_key, settings):
    settings.MAX_JSON_BYTES = 1_000_000
    client = live_api.client(issue_key())
    response = client.post("/api/providers", content=b"x" * 3_000_000, headers={"Content-Type": "application/json"})
    assert_problem(response, 413, "too_large")
    assert client.get("/api/providers").status_code == 200


def test_a_body_of_unknown_length_is_counted(live_api, issue_key, settings):
    settings.MAX_UPLOAD_BYTES = 1_000_000

    def parts():
        for _ in range(300):
            yield b"x" * 100_000

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = live_api.client(issue_key()).post("/api/knowledge-sources/x/documents", content=parts(), headers=headers)
    assert_problem(response, 413, "too_large")


def test_a_300_mb_file_is_refused_without_sending_it(live_api, issue_key):
    with socket.create_connection(("127.0.0.1", live_api.port), timeout=10) as connection:
        connection.sendall(
            b"POST /api/knowledge-sources/x/documents HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 314572800\r\n"
            b"Authorization: Bearer " + issue_key().encode() + b"\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = connection.recv(65_536).decode()
    assert answer.startswith("HTTP/1.1 413")
    assert "100 MB" in answer


def test_who_has_no_key_sends_no_body(live_api):
    response = live_api.client().post("/api/providers", content=b"x" * 1_000_000)
    assert_problem(response, 401, "not_signed_in")


def test_who_shows_a_session_that_is_none_sends_no_large_body(live_api):
    with socket.create_connection(("127.0.0.1", live_api.port)) as connection:
        connection.sendall(
            b"POST /api/knowledge-sources/x/documents HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 50000000\r\n"
            b"Cookie: sessionid=abcdefghijklmnopqrstuvwxyz012345\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = connection.recv(65_536).decode()

    # Not "100 Continue": nobody is asked for the body.
    assert answer.startswith("HTTP/1.1 401"), answer


def test_who_is_signed_in_may_send_a_large_body(live_api):
    user = User.objects.create_superuser("anna@example.com", "secret")
    browser = Client()
    browser.force_login(user)
    client = live_api.client()
    client.cookies.set("sessionid", browser.cookies["sessionid"].value)

    response = client.post("/api/providers", content=b"x" * 2_000_000)

    # Django was asked, and missed the token of its form.
    assert_problem(response, 403, "not_allowed")


# -- Rate ----------------------------------------------------------------------------------------------------------


async def test_a_key_that_calls_too_often_is_told_when_to_come_back(anonymous, issue_key):
    anonymous.headers.update(bearer(await in_database(issue_key, requests_per_minute=3)))
    answers = [await anonymous.get("/api/providers") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    assert_problem(answers[3], 429, "rate_limited")
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 20


async def test_a_person_who_asks_too_often_is_told_when_to_come_back(async_client, issue_key, settings):
    settings.PERSON_REQUESTS_PER_MINUTE = 3
    key = bearer(await in_database(issue_key))
    anna = await in_database(lambda: User.objects.create_superuser("anna@example.com", "secret"))
    await async_client.aforce_login(anna, backend="django.contrib.auth.backends.ModelBackend")

    answers = [await async_client.get("/api/providers") for _ in range(4)]
    by_key = await AsyncClient().get("/api/providers", headers=key)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "rate_limited"
    assert answers[3].json()["detail"].startswith("You may ask 3 times a minute. Try again in ")
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
    assert by_key.status_code == 200, "A key with the number of a person was counted with that person."


# -- Pages of other origins ----------------------------------------------------------------------------------------

ASKING = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def test_only_listed_origins_may_call(api, settings):
    settings.CORS_ORIGINS = ["https://shop.example"]
    listed = await api.get("/api/providers", headers={"Origin": "https://shop.example"})
    foreign = await api.get("/api/providers", headers={"Origin": "https://evil.example"})
    assert listed.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "RateLimit-Limit" in listed.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert listed.headers["Vary"] == foreign.headers["Vary"] == "Origin"


async def test_a_browser_asks_first_and_needs_no_key_for_that(anonymous, settings):
    settings.CORS_ORIGINS = ["https://shop.example"]
    listed = await anonymous.options("/api/providers", headers={"Origin": "https://shop.example", **ASKING})
    foreign = await anonymous.options("/api/providers", headers={"Origin": "https://evil.example", **ASKING})
    assert listed.status_code == 204
    assert "Authorization" in listed.headers["Access-Control-Allow-Headers"]
    assert_problem(foreign, 403, "not_allowed")
    assert "Access-Control-Allow-Origin" not in foreign.headers


async def test_a_refusal_can_be_read_by_the_page_that_caused_it(anonymous, settings):
    settings.CORS_ORIGINS = ["https://shop.example"]
    response = await anonymous.get("/api/providers", headers={"Origin": "https://shop.example"})
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"


# -- Documentation and health --------------------------------------------------------------------------------------


async def test_the_documentation_is_open_and_reaches_for_nothing_outside(anonymous):
    schema = (await anonymous.get("/schema/openapi.json")).json()
    assert "/api/rag-tools/{slug}/answer" in schema["paths"]
    for page in ("/schema/swagger", "/schema/redoc"):
        text = (await anonymous.get(page)).text
        assert "http://" not in text
        assert "https://" not in text


async def test_the_documentation_begins_with_what_callers_need_first(anonymous):
    paths = (await anonymous.get("/schema/openapi.json")).json()["paths"]
    tags = dict.fromkeys(tag for path in paths.values() for operation in path.values() for tag in operation["tags"])
    assert next(iter(paths)) == "/api/rag-tools/{slug}/answer"
    asked = ["RAG tools", "Retrieval tools", "Agents", "Conversations"]
    used = ["API tools", "API servers", "MCP servers"]
    knowledge = ["Knowledge sources", "Documents", "Indexes", "Sync runs"]
    first = asked + used + knowledge
    assert list(tags)[: len(first)] == first
    assert "Prompt templates" in list(tags)[len(first) :]


def test_the_scripts_of_the_documentation_are_served(live_api):
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js"):
        assert httpx.get(f"{live_api.url}/static/ninja/{name}").status_code == 200


async def test_health(anonymous):
    assert (await anonymous.get("/health/live")).json() == {"status": "ok"}
    report = (await anonymous.get("/health/ready")).json()
    assert report["status"] == "ok"
    assert {worker["name"] for worker in report["workers"]} == {"fast", "bulk"}
    assert report["is_working"] is False


async def test_a_key_travels_only_over_https_where_the_operator_says_so(api, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert_problem(await api.get("/api/providers"), 403, "not_allowed")
    assert (await api.get("/api/providers", headers={"X-Forwarded-Proto": "https"})).status_code == 200


async def test_the_log_does_not_hold_what_proves_an_invitation(anonymous, caplog):
    caplog.set_level("INFO", logger="magnet.requests")
    await anonymous.get("/admin/choose-password/MQ/a-secret-token/")

    (line,) = (record.msg for record in caplog.records if record.name == "magnet.requests")
    assert line["path"] == "/admin/choose-password/MQ/…/"
