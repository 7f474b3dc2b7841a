"""Agents over the API: made from topics, changed in a draft, published, undone, run whole and streamed."""

from __future__ import annotations

import json

import pytest

from magnet.database import in_database
from tests.agents.acting import ASK, CANCEL, HOURS, ORDERS, call, calling
from tests.fake_openai import Scripted
from tests.fixtures_api import bearer

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/agents/front-desk"
NEW = {"name": "Front desk", "topics": [{**HOURS, "actions": [ASK]}]}


async def made(api, **fields):
    answer = await api.post("/api/agents", json={**NEW, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def parsed(text):
    blocks = [block.split("\n") for block in text.strip().split("\n\n") if not block.startswith(":")]
    return [(lines[1].removeprefix("event: "), json.loads(lines[2].removeprefix("data: "))) for lines in blocks]


async def test_an_agent_is_made_live_and_changed_in_a_draft(api, model, office) -> None:
    agent = await made(api)
    assert agent["live"]["version"] == 1
    assert agent["live"]["settings"]["topics"][0]["actions"][0]["name"] == "ask"

    changed = await api.patch(PATH, json={"topics": [*NEW["topics"], ORDERS], "max_cost": "0.25"})
    assert changed.status_code == 200, changed.text
    assert [topic["key"] for topic in changed.json()["draft"]["settings"]["topics"]] == ["hours", "orders"]
    assert len(changed.json()["live"]["settings"]["topics"]) == 1

    assert (await api.post(f"{PATH}/publish")).json()["live_version"] == 2
    assert (await api.post(f"{PATH}/undo")).json()["live_version"] == 1
    versions = (await api.get(f"{PATH}/versions")).json()
    assert versions["count"] == 2
    assert (await api.get(f"{PATH}/versions/2")).json()["settings"]["max_cost"] == "0.25"
    assert (await api.get("/api/agents")).json()["count"] == 1
    assert (await api.delete(PATH)).status_code == 204


async def test_two_editors_do_not_overwrite_each_other(api, model, office) -> None:
    agent = await made(api)
    seen = agent["revision"]
    await api.patch(PATH, json={"max_steps": 5, "revision": seen})

    assert (await api.patch(PATH, json={"max_steps": 6}, headers={"If-Match": f'"{seen}"'})).status_code == 409


async def test_faults_in_topics_are_told_by_their_place(api, model) -> None:
    answer = await api.post("/api/agents", json={"name": "Desk", "topics": [{**HOURS, "actions": [ASK]}]})

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["topics.0.actions.0"]


async def test_a_turn_is_answered_whole_and_streamed(api, model, office) -> None:
    await made(api)
    model.script(Scripted(text="At nine."), Scripted(text="At nine, I said."))

    whole = await api.post(f"{PATH}/run", json={"question": "When do you open?"})
    assert whole.status_code == 200, whole.text
    assert (whole.json()["status"], whole.json()["text"], whole.json()["paused"]) == ("done", "At nine.", None)

    history = [{"role": "user", "text": "When?"}, {"role": "assistant", "text": "At nine."}]
    streamed = await api.post(
        f"{PATH}/run", json={"question": "Sorry?", "history": history}, headers={"Accept": "text/event-stream"}
    )
    events = parsed(streamed.text)
    assert [name for name, _ in events][:2] == ["started", "topic"]
    assert events[-1][0] == "completed"
    assert events[-1][1]["text"] == "At nine, I said."
    assert [m["content"] for m in model.requests[-1].body["messages"][1:]] == ["When?", "At nine.", "Sorry?"]


async def test_a_pause_travels_signed_and_is_taken_up(api, model, shop) -> None:
    await made(api, topics=[{**ORDERS, "actions": [CANCEL]}])
    model.script(calling(call("cancel", {"id": 17})), Scripted(text="Cancelled."))
    body = {"question": "Cancel order 17."}

    first = (await api.post(f"{PATH}/run", json=body)).json()
    assert first["status"] == "awaiting_confirmation"
    assert first["confirmations"][0]["arguments"] == {"id": 17}

    answers = [{"call_id": "call_1", "approve": True}]
    forged = await api.post(f"{PATH}/run", json={**body, "paused": first["paused"][:-3] + "abc", "answers": answers})
    assert forged.status_code == 422
    assert not shop.asked("/cancel")

    second = (await api.post(f"{PATH}/run", json={**body, "paused": first["paused"], "answers": answers})).json()
    assert (second["status"], second["text"]) == ("done", "Cancelled.")
    assert len(shop.asked("/cancel")) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"question": ""}, 422),
        ({"question": "x" * 20_001}, 422),
        ({"question": "Hi", "variables": {"unknown": 1}}, 422),
        ({"question": "Hi", "version": 9}, 404),
        ({"question": "Hi", "paused": "nonsense"}, 422),
        ({"text": "Hi"}, 422),
    ],
)
async def test_runs_that_do_not_fit_are_refused_before_the_first_event(api, model, office, body, status) -> None:
    await made(api)

    answer = await api.post(f"{PATH}/run", json=body, headers={"Accept": "text/event-stream"})

    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_a_key_does_only_what_its_scopes_say(api, anonymous, issue_key, model, office) -> None:
    await made(api)
    anonymous.headers.update(bearer(await in_database(issue_key, "agents:run")))
    model.script(Scripted(text="At nine."))

    assert (await anonymous.post(f"{PATH}/run", json={"question": "When?"})).status_code == 200
    assert (await anonymous.get(PATH)).status_code == 403
    assert (await anonymous.post(f"{PATH}/publish")).status_code == 403
