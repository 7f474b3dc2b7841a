"""Agents as rows: topics and actions travel from version to version; what cannot work is refused when it is saved."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from agents.models import Action, Agent, Topic
from magnet.errors import InvalidInput
from magnet.models import PromptTemplate
from tests.agents.acting import ASK, HOURS, ORDERS, action, make_agent

pytestmark = pytest.mark.django_db(transaction=True)


def test_topics_travel_to_the_next_draft_with_their_keys(office):
    agent = make_agent({"name": "Opening hours", "actions": [action("rag", "office")]})
    agent.edit({"max_steps": 4})

    live, draft = agent.live.topics(), agent.draft.topics()
    assert live == draft
    assert [topic["key"] for topic in draft] == ["opening-hours"]
    assert [(a["key"], a["name"]) for a in draft[0]["actions"]] == [("office", "office")]


def test_changes_of_the_draft_leave_what_is_live_alone(office):
    agent = make_agent(HOURS)
    agent.edit({"topics": [HOURS, ORDERS]})

    assert len(agent.live.topics()) == 1
    agent.publish()
    assert [topic["key"] for topic in agent.live.topics()] == ["hours", "orders"]
    agent.undo()
    assert len(agent.live.topics()) == 1


def test_topics_and_actions_of_a_published_version_cannot_be_changed(office):
    make_agent({**HOURS, "actions": [ASK]})

    def change(statement: str) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    for statement in (
        "update agents_topic set name = 'Other'",
        "update agents_action set slug = 'other'",
        "delete from agents_action",
    ):
        with pytest.raises(IntegrityError, match="published version"):
            change(statement)
    assert Action.objects.get().slug == "office"


def test_a_whole_agent_can_be_deleted(office):
    Agent.objects.filter(pk=make_agent({**HOURS, "actions": [ASK]}).pk).delete()

    assert not Topic.objects.exists()


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        ([], "must not be empty"),
        ([{"name": ""}], "topics.0.name"),
        ([HOURS, HOURS], "The topic “hours” is there twice"),
        ([{**HOURS, "key": "greeting"}], "cannot have the key"),
        ([{**HOURS, "instructions": "Call {customer}"}], "mentions {customer}"),
        ([{**HOURS, "actions": [action("rag", "nowhere")]}], "There is no RAG tool “nowhere”"),
        ([{**HOURS, "actions": [action("magic", "wand")]}], "no kind of action “magic”"),
        ([{**HOURS, "actions": [{**ASK, "name": "a b"}]}], "topics.0.actions.0.name"),
        ([{**HOURS, "actions": [ASK, {**ASK, "key": "other"}]}], "the function “ask” is there twice"),
        ([{**HOURS, "colour": "red"}], "topics.0.colour"),
        ("nonsense", "topics"),
    ],
)
def test_topics_that_cannot_work_are_refused_by_their_place(office, topics, said):
    with pytest.raises(InvalidInput) as refused:
        Agent.objects.create_live(slug="support", name="Support", settings={"topics": topics})

    assert said in str(refused.value.extra["errors"]) + refused.value.detail
    assert not Agent.objects.exists()


def test_agents_that_call_each_other_in_a_circle_or_too_deep_are_refused(office):
    one = make_agent(HOURS, slug="one")
    make_agent({**HOURS, "actions": [action("agent", "one")]}, slug="two")
    make_agent({**HOURS, "actions": [action("agent", "two")]}, slug="three")

    with pytest.raises(InvalidInput, match="never end"):
        one.edit({"topics": [{**HOURS, "actions": [action("agent", "two")]}]})
    with pytest.raises(InvalidInput, match="3 deep"):
        make_agent({**HOURS, "actions": [action("agent", "three")]}, slug="four")


@pytest.mark.parametrize("setting", ["routing_prompt", "processing_prompt", "summary_prompt"])
def test_a_prompt_template_that_needs_what_an_agent_does_not_fill_in_is_refused(office, setting):
    agent = make_agent(HOURS)
    template = PromptTemplate.objects.create_live(slug="own", name="Own", settings={"prompt": "{message} {passages}"})

    with pytest.raises(InvalidInput, match="does not fill in") as refused:
        agent.edit({setting: template})

    assert list(refused.value.extra["errors"]) == [setting]


def test_the_prompt_template_that_answers_may_need_the_variables_of_the_agent(office):
    template = PromptTemplate.objects.create_live(slug="own", name="Own", settings={"prompt": "{message} {customer}"})

    draft = make_agent(HOURS).edit({"processing_prompt": template, "variables": [{"name": "customer"}]})

    assert draft.processing_prompt == template
