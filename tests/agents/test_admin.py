"""The screen of an agent: a person builds topics from tools without code, looks at the map, compares and publishes."""

from __future__ import annotations

import pytest
from django.urls import reverse

from agents.models import Agent
from tests.agents.acting import ASK, FIND, HOURS, ORDERS, make_agent
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/agents/agent/add/"


def page(agent: Agent, name: str = "change") -> str:
    if name == "change":
        return reverse("admin:agents_agent_change", args=[agent.pk])
    return reverse(f"admin:agents_agent_{name}", args=[agent.pk])


def sent(response) -> dict[str, str]:
    """What a browser would send back of the form on this page."""
    form = response.context["adminform"].form
    data: dict[str, str] = {}
    for bound in form:
        value = bound.value()
        if bound.name == "topics":
            data |= topics_sent(value)
        elif bound.name in ("variables",):
            continue
        elif isinstance(value, bool):
            data |= {bound.html_name: "on"} if value else {}
        elif isinstance(value, list):
            data[bound.html_name] = "\n".join(map(str, value))
        else:
            data[bound.html_name] = "" if value is None else str(value)
    return data


def topics_sent(topics) -> dict[str, str]:
    data: dict[str, str] = {}
    for place, topic in enumerate(topics or []):
        data |= {f"topics-{place}-{name}": topic[name] for name in ("key", "name", "description", "instructions")}
        for row, action in enumerate(topic["actions"]):
            start = f"topics-{place}-actions-{row}-"
            data |= {f"{start}key": action["key"], f"{start}name": action["name"]}
            data |= {
                f"{start}target": f"{action['kind']}:{action['slug']}",
                f"{start}description": action["description"],
            }
    return data


def test_an_agent_is_made_from_a_name_and_a_topic(owner, office):
    assert "Ask the office" in owner.get(ADD).content.decode()

    owner.post(
        ADD,
        {
            "name": "Front desk", "slug": "front-desk", "description": "",
            "topics-0-name": "Opening hours", "topics-0-description": "When we open.",
            "topics-0-actions-0-target": "rag:office", "topics-0-actions-0-answers_directly": "1",
            "topics-0-actions-0-fixed_arguments": "",
            "topics-0-actions-1-target": "", "topics-1-name": "",
        },
    )  # fmt: skip

    (topic,) = Agent.objects.get(slug="front-desk").live.topics()
    assert topic["name"] == "Opening hours"
    assert [(action["slug"], action["answers_directly"]) for action in topic["actions"]] == [("office", True)]


def test_saving_changes_the_draft_and_only_what_was_changed(owner, office, shop):
    agent = make_agent({**HOURS, "actions": [ASK]}, max_steps=5)
    data = sent(owner.get(page(agent)))
    data |= {
        "topics-0-actions-1-target": "api:find-orders",
        "topics-0-actions-1-fixed_arguments": 'customer = {customer}\nid = 17\nnote = "17"',
        "topics-0-actions-1-needs_confirmation": "yes",
        "variables-0-name": "customer", "variables-0-type": "text", "_save": "1",
    }  # fmt: skip

    answer = owner.post(page(agent), data)

    assert answer.status_code == 302, answer.context["errors"]
    agent.refresh_from_db()
    ask, find = agent.draft.topics()[0]["actions"]
    assert (ask["key"], ask["name"]) == ("ask", "ask")
    assert find["fixed_arguments"] == {"customer": "{customer}", "id": 17, "note": "17"}
    assert find["needs_confirmation"] is True
    assert agent.draft.max_steps == 5
    assert len(agent.live.topics()[0]["actions"]) == 1
    again = owner.get(page(agent)).content.decode()
    assert "customer = {customer}" in again
    assert "note = &quot;17&quot;" in again


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"topics-0-instructions": "Ask {customer}"}, "mentions {customer}"),
        ({"topics-0-actions-0-target": "rag:nowhere"}, "There is no RAG tool “nowhere”"),
        ({"topics-0-actions-0-fixed_arguments": "nonsense"}, "name = value"),
        ({"topics-0-actions-0-name": "a b"}, "Opening hours"),
        ({"topics-0-name": "", "topics-0-description": "", "topics-0-key": ""}, "must not be empty"),
    ],
)
def test_what_cannot_work_is_said_beside_the_topics_and_nothing_is_lost(owner, office, more, said):
    agent = make_agent({**HOURS, "actions": [ASK]})

    answer = owner.post(page(agent), sent(owner.get(page(agent))) | more | {"_save": "1"})

    assert answer.status_code == 200
    assert said in " ".join(answer.context["adminform"].form.errors["topics"])
    agent.refresh_from_db()
    assert agent.draft is None


def test_the_map_the_comparison_and_where_a_tool_is_used_speak_in_words(owner, office, shop):
    agent = make_agent({**HOURS, "actions": [ASK]})
    agent.edit({"topics": [{**HOURS, "actions": [ASK]}, {**ORDERS, "actions": [{**FIND, "needs_confirmation": True}]}]})

    drawn = owner.get(page(agent, "map")).content.decode()
    assert "Ask the office" in drawn
    assert "always asks before" in drawn
    compared = owner.get(page(agent, "publish")).content.decode()
    assert "Find orders (API tool)" in compared
    tool = reverse("admin:tools_app_ragtool_used", args=[RagTool.objects.get().pk])
    assert "Support" in owner.get(tool).content.decode()

    owner.post(page(agent, "publish_now"))
    agent.refresh_from_db()
    assert agent.live.number == 2
    owner.post(page(agent, "undo"))
    agent.refresh_from_db()
    assert agent.live.number == 1


def test_try_it_knows_the_path_of_callers(owner, office):
    shown = owner.get(page(make_agent(HOURS, welcome_text="Welcome!"))).content.decode()

    assert "/api/agents/support/run" in shown
    assert "Welcome!" in shown
