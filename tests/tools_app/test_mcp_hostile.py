"""MCP servers that do not keep to the rules: each ends in a sentence, and none takes memory or time from others."""

from __future__ import annotations

import sys

import pytest

from magnet import gateway
from magnet.errors import ToolError, ToolTimedOut
from tests.fixtures_mcp import mcp_server
from tools_app import mcp_client, mcp_protocol


@pytest.fixture(autouse=True)
async def closed():
    yield
    await gateway.close_all()


@pytest.fixture
def hostile(settings, monkeypatch):
    settings.MCP_COMMANDS = [f"{sys.executable} -m tests.hostile_mcp_server"]
    monkeypatch.setattr(mcp_protocol, "LONGEST_LINE", 3_500_000)

    def start(way: str, *, seconds: float = 60):
        config = {"command": sys.executable, "arguments": ["-m", "tests.hostile_mcp_server", way]}
        return mcp_server(transport="stdio", config=config, timeout_seconds=seconds)

    return start


async def test_a_line_without_an_end_ends_the_command_instead_of_filling_the_memory(hostile):
    with pytest.raises(ToolError, match="a message of more than 3,500,000 characters"):
        await mcp_client.listed(hostile("endless"))


async def test_a_line_without_an_end_in_mid_call_is_told_as_well(hostile):
    server = hostile("call")
    await mcp_client.listed(server)

    with pytest.raises(ToolError, match="a message of more than 3,500,000 characters"):
        await mcp_client.called(server, "weather", {})
    assert len((await mcp_client.listed(server)).tools) == 1


async def test_a_flood_of_notes_does_not_hide_the_answer(hostile):
    assert [tool.name for tool in (await mcp_client.listed(hostile("flood"))).tools] == ["weather"]


@pytest.mark.parametrize("way", ["silent", "other-id"])
async def test_who_never_answers_runs_out_of_time(hostile, way):
    with pytest.raises(ToolTimedOut, match="did not answer within 4 seconds"):
        await mcp_client.listed(hostile(way, seconds=4))


async def test_who_dies_in_mid_call_is_told_at_once(hostile):
    server = hostile("dies")

    with pytest.raises(ToolError, match="broke off in the middle"):
        await mcp_client.called(server, "weather", {})


async def test_words_without_end_and_letters_that_nobody_sees_are_left_out(hostile):
    listing = await mcp_client.listed(hostile("words"))

    (tool,) = listing.tools
    assert tool.description.startswith("Tells it.   [2Jxxx")
    assert len(tool.description) == mcp_client.LONGEST_DESCRIPTION
    assert listing.note == "3 have a name or arguments that cannot be used and are left out."
