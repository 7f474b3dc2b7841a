"""RAG tools over the API: made from a name and sources, changed, published, asked, streamed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.db import connection
from django.test import Client

from magnet import tracing
from magnet.database import forget_configuration, in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.models import AIModel, Trace, User
from tests import factories
from tests.fake_openai import Scripted
from tests.fixtures_api import bearer
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/rag-tools/ask-the-office"
ANSWER = f"{PATH}/answer"
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
def office(transactional_db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    ensure_default_prompts()
    source = factories.source("office")
    factories.push(
        source,
        opening="# Opening hours\n\nThe office in Riga opens at nine and closes at five.",
        parking="# Parking\n\nVisitors park their cars behind the building.",
    )
    return source


@pytest.fixture
def cloud(fake_openai):
    provider = factories.openai_provider(fake_openai.base_url)
    model = AIModel.objects.create(
        provider=provider, slug="gpt-fake", name="GPT", model_name="gpt-fake", purpose="chat", input_price=1
    )
    model.make_default()
    return fake_openai


@pytest.fixture
async def tool(api, office):
    made = await api.post("/api/rag-tools", json={"name": "Ask the office", "sources": ["office"]})
    assert made.status_code == 201, made.text
    return made.json()


def parsed(text):
    blocks = [block.split("\n") for block in text.strip().split("\n\n") if not block.startswith(":")]
    return [(lines[1].removeprefix("event: "), json.loads(lines[2].removeprefix("data: "))) for lines in blocks]


# -- Configuration ---------------------------------------------------------------------------------------------------


async def test_a_name_and_sources_are_enough(tool):
    assert (tool["slug"], tool["live"]["version"], tool["draft"]) == ("ask-the-office", 1, None)
    settings = tool["live"]["settings"]
    assert (settings["sources"], settings["search_mode"], settings["prompt_template"]) == (["office"], "hybrid", None)


async def test_what_is_missing_is_named(api, office):
    nothing = await api.post("/api/rag-tools", json={"name": "X"})
    assert (nothing.status_code, list(nothing.json()["errors"])) == (422, ["sources"])
    unknown = await api.post("/api/rag-tools", json={"name": "X", "sources": ["nobody"]})
    assert (unknown.status_code, list(unknown.json()["errors"])) == (422, ["sources"])


async def test_callers_get_what_is_published(api, tool):
    drafted = await api.patch(PATH, json={"nothing_found_text": "Nichts.", "minimum_score": 1})
    assert (drafted.json()["live"]["version"], drafted.json()["draft"]["version"]) == (1, 2)
    assert (await api.post(ANSWER, json={"question": "Where is parking?"})).json()["version"] == 1
    assert (await api.post(f"{PATH}/publish")).json()["live_version"] == 2
    # Web processes hear it by a notice; this client has no listener.
    forget_configuration()
    published = (await api.post(ANSWER, json={"question": "Where is parking?"})).json()
    assert (published["version"], published["text"], published["found"]) == (2, "Nichts.", False)
    earlier = (await api.post(ANSWER, json={"question": "Where is parking?", "version": 1})).json()
    assert (earlier["version"], earlier["found"]) == (1, True)
    assert (await api.post(f"{PATH}/undo")).json()["live_version"] == 1
    assert [row["version"] for row in (await api.get(f"{PATH}/versions")).json()["items"]] == [2, 1]
    assert (await api.get("/api/rag-tools", params={"search": "office"})).json()["count"] == 1
    assert (await api.delete(PATH)).status_code == 204
    assert (await api.post(ANSWER, json={"question": "x", "version": 3})).status_code == 404


async def test_two_who_change_the_draft_do_not_overwrite_each_other(api, tool):
    seen = {"If-Match": f'"{tool["revision"]}"'}
    assert (await api.patch(PATH, json={"passage_count": 3}, headers=seen)).status_code == 200
    assert (await api.patch(PATH, json={"passage_count": 4}, headers=seen)).status_code == 409


async def test_a_draft_answers_only_those_who_may_change_it(api, tool, anonymous, issue_key):
    await api.patch(PATH, json={"nothing_found_text": "A secret plan."})
    runs = await in_database(issue_key, "rag-tools:run", "rag-tools:read")
    writes = await in_database(issue_key, "rag-tools:run", "rag-tools:write")
    asked = {"question": "xylophone", "version": 2}

    refused = await anonymous.post(ANSWER, json=asked, headers=bearer(runs))
    allowed = await anonymous.post(ANSWER, json=asked, headers=bearer(writes))
    await api.post(f"{PATH}/publish")
    await api.post(f"{PATH}/undo")
    once = await anonymous.post(ANSWER, json=asked, headers=bearer(runs))

    assert (refused.status_code, refused.json()["scope"]) == (403, "rag-tools:write")
    assert (allowed.status_code, allowed.json()["version"]) == (200, 2)
    assert (once.status_code, once.json()["version"]) == (200, 2), "It was live once."


# -- Answers ---------------------------------------------------------------------------------------------------------


async def test_an_answer_cites_its_passages(api, tool):
    answer = (await api.post(ANSWER, json={"question": "Where do visitors park?"})).json()
    assert "[1]" in answer["text"]
    assert answer["is_extractive"] is True
    cited = next(passage for passage in answer["passages"] if passage["is_cited"])
    assert cited["document"]["remote_id"] == "parking"
    await in_database(tracing.flush)
    assert (await api.get(f"/api/traces/{answer['trace_id']}")).json()["caller"] == "A key"


async def test_a_streamed_answer_is_the_same_in_events(api, tool):
    response = await api.post(ANSWER, json={"question": "Where do visitors park?"}, headers=EVENTS)
    assert response.headers["Content-Type"].startswith("text/event-stream")
    events = parsed(response.text)
    names = [name for name, _ in events]
    assert names[:2] == ["started", "passages"]
    assert (names[-1], names.count("completed"), names.count("error")) == ("completed", 1, 0)
    written = "".join(data["text"] for name, data in events if name == "text")
    assert written == events[-1][1]["text"]


async def test_a_question_has_its_limits(api, tool, anonymous, issue_key):
    long = await api.post(ANSWER, json={"question": "x" * 100_000}, headers=EVENTS)
    empty = await api.post(ANSWER, json={"question": "  "}, headers=EVENTS)
    assert (long.status_code, empty.status_code) == (422, 422)
    assert "20,000" in long.json()["errors"]["question"][0]
    unknown = await api.post("/api/rag-tools/nobody/answer", json={"question": "x"}, headers=EVENTS)
    assert unknown.status_code == 404
    key = await in_database(issue_key, "rag-tools:read")
    assert (await anonymous.post(ANSWER, json={"question": "x"}, headers=bearer(key))).status_code == 403


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Scripted(status=401), "provider_refused_key"),
        (Scripted(status=500), "provider_error"),
        (Scripted(body=b"garbage"), "provider_answer_invalid"),
        (Scripted(text="one two three four", stops_after=2), "provider_error"),
    ],
    ids=["401", "500", "garbage", "stops"],
)
async def test_a_provider_that_fails_ends_the_stream_with_an_error(api, cloud, tool, reply, code):
    cloud.script(*[reply] * 5)
    response = await api.post(ANSWER, json={"question": "Where do visitors park?"}, headers=EVENTS)
    name, said = parsed(response.text)[-1]
    assert (response.status_code, name) == (200, "error")
    assert said["request_id"] == response.headers["X-Request-ID"]
    assert said["code"] == code


async def test_a_provider_that_fails_is_a_problem_when_the_answer_is_whole(api, cloud, tool):
    cloud.script(*[Scripted(status=401)] * 5)
    response = await api.post(ANSWER, json={"question": "Where do visitors park?"})
    assert (response.status_code, response.json()["code"]) == (502, "provider_refused_key")


# -- Over real HTTP --------------------------------------------------------------------------------------------------


@pytest.fixture
def live_tool(office, cloud):
    return RagTool.objects.create_live(slug="ask-the-office", name="Ask", settings={"sources": [office]})


def test_a_client_that_leaves_stops_the_model(live_api, issue_key, live_tool, cloud):
    cloud.script(Scripted(text="word " * 1_000, delta_seconds=0.02))
    client = live_api.client(issue_key())
    with client.stream("POST", ANSWER, json={"question": "Where do visitors park?"}, headers=EVENTS) as response:
        for line in response.iter_lines():
            if line == "event: text":
                break
    assert cloud.wait_until(lambda fake: fake.disconnects == 1 and fake.active == 0)
    assert cloud.wait_until(lambda fake: tracing.flush() and Trace.objects.filter(status="cancelled").exists())


def test_the_first_words_come_while_the_model_still_writes(live_api, issue_key, live_tool, cloud):
    cloud.script(Scripted(text="one two three four", delta_seconds=0.2))
    client = live_api.client(issue_key())
    with client.stream("POST", ANSWER, json={"question": "Where do visitors park?"}, headers=EVENTS) as response:
        for line in response.iter_lines():
            if line == "event: text":
                assert cloud.active == 1
                return
    pytest.fail("No text came.")


def every_connection_is_back():
    stats = connection.pool.get_stats()
    return stats["pool_available"] == stats["pool_size"]


def test_two_hundred_slow_answers_pass_through_a_pool_of_ten(live_api, issue_key, live_tool, cloud):
    cloud.latency_seconds = 1.0
    headers, limits = {**bearer(issue_key()), **EVENTS}, httpx.Limits(max_connections=200)

    def ask(number):
        response = client.post(ANSWER, json={"question": f"Where do visitors park? {number}"})
        return parsed(response.text)[-1][0]

    with (
        httpx.Client(base_url=live_api.url, headers=headers, limits=limits, timeout=120) as client,
        ThreadPoolExecutor(200) as crowd,
    ):
        ends = list(crowd.map(ask, range(200)))
    assert ends == ["completed"] * 200
    assert cloud.most_active > 20
    connection.close()
    assert cloud.wait_until(lambda fake: every_connection_is_back())


def test_a_signed_in_person_holds_no_connection_while_the_model_writes(live_api, live_tool, cloud):
    user = User.objects.create_superuser("anna@example.com", "secret")
    browser = Client()
    browser.force_login(user)
    browser.get("/schema/swagger")
    cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
    headers = {**EVENTS, "X-CSRFToken": cookies["csrftoken"], "Referer": live_api.url}
    connection.close()
    cloud.script(Scripted(text="one two three four", delta_seconds=0.3))
    with (
        httpx.Client(base_url=live_api.url, cookies=cookies, headers=headers, timeout=30) as client,
        client.stream("POST", ANSWER, json={"question": "Where do visitors park?"}) as response,
    ):
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            if line == "event: text":
                assert cloud.active == 1
                assert every_connection_is_back()
                return
    pytest.fail("No text came.")


# -- How it is shown -------------------------------------------------------------------------------------------------


async def test_how_a_tool_is_shown_is_told_and_changed_like_every_setting(api, tool):
    assert tool["live"]["settings"]["link_titles"] == "document"
    changes = {"header": "Ask the office", "sample_questions": [" When? ", "Where?"], "takes_feedback": False}

    changed = (await api.patch(PATH, json=changes)).json()["draft"]["settings"]

    assert (changed["header"], changed["sample_questions"]) == ("Ask the office", ["When?", "Where?"])
    assert (changed["takes_feedback"], changed["opens_passages"]) == (False, False)


@pytest.mark.parametrize(
    ("field", "value"),
    [("sample_questions", ["?"] * 13), ("sample_questions", [" "]), ("link_titles", "colour"), ("header", "x" * 121)],
)
async def test_what_cannot_be_shown_is_refused_by_name(api, tool, field, value):
    refused = await api.patch(PATH, json={field: value})

    assert (refused.status_code, [name.split(".")[0] for name in refused.json()["errors"]]) == (422, [field])
