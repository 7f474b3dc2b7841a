"""Agents among other things: tools in use stay, agents move with what they need, groups may what they should."""

from __future__ import annotations

import pytest

from agents.models import Agent
from magnet import configuration, groups, transfer
from magnet.errors import StillInUse
from magnet.models import PromptTemplate
from magnet.scopes import scopes_from
from tests.agents.acting import ASK, FIND, HOURS, ORDERS, action, make_agent
from tools_app.models import ApiServer, ApiTool, RagTool

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_tool_that_an_action_names_is_not_deleted_and_the_agent_is_named(office, shop):
    agent = make_agent({**HOURS, "actions": [ASK, FIND]})

    with pytest.raises(StillInUse, match="agent “Support”"):
        configuration.remove(RagTool.objects.get())
    with pytest.raises(StillInUse, match="agent “Support”"):
        configuration.remove(ApiTool.objects.get(slug="find-orders"))
    with pytest.raises(StillInUse, match="agent “Support”"):
        configuration.remove(ApiServer.objects.get())

    agent.edit({"topics": [HOURS]})
    agent.publish()
    configuration.remove(RagTool.objects.get())
    assert not RagTool.objects.exists(), "What only an earlier version names may go."


def test_an_agent_that_another_one_calls_is_not_deleted(office):
    called = make_agent(HOURS, slug="clerk")
    make_agent({**ORDERS, "actions": [action("agent", "clerk")]})

    with pytest.raises(StillInUse, match="agent “Support”"):
        configuration.remove(called)


def test_agents_move_with_what_their_actions_name(office, shop):
    own = PromptTemplate.objects.create_live(slug="own", name="Own", settings={"prompt": "{message}"})
    make_agent(HOURS, slug="zoe")
    agent = make_agent({**HOURS, "actions": [ASK, FIND]}, {**ORDERS, "actions": [action("agent", "zoe")]})
    agent.edit({"processing_prompt": own, "max_cost": "0.5"})

    file = transfer.export([transfer.reference("agents/support")])
    for slug in ("office", "find-orders", "shop", "zoe", "own"):
        assert f"{slug}:" in file
    before = (agent.live.settings(), agent.draft.settings())
    Agent.objects.all().delete()

    done = transfer.apply(transfer.read(file.encode()), publish=True)

    assert {str(step.reference): step.state for step in done.steps}["agents/support"] == "create", done
    again = Agent.objects.get(slug="support")
    assert (again.live.settings(), again.draft.settings()) == before
    plan = transfer.plan(transfer.read(file.encode()), publish=True)
    assert {step.state for step in plan.steps} == {"unchanged"}


@pytest.mark.parametrize(
    ("group", "may"),
    [
        ("Viewer", {"agents:read", "agents:run"}),
        ("Editor", {"agents:read", "agents:run", "agents:write"}),
        ("Publisher", {"agents:read", "agents:run", "agents:write", "agents:publish"}),
    ],
)
def test_the_seeded_groups_may_what_their_work_needs(transactional_db, group, may):
    standard = next(each for each in groups.STANDARD_GROUPS if each.name == group)
    held = {f"{p.content_type.app_label}.{p.codename}" for p in groups.permissions_of(standard)}

    assert {scope for scope in scopes_from(held) if scope.startswith("agents:")} == may
