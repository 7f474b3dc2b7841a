"""Speaking with real MCP servers: listed, called, cut off, killed, and refused in words that help."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path

import pytest

from magnet import gateway
from magnet.errors import AddressRefused, InvalidInput, NotConfigured, ToolError, ToolTimedOut
from tests.fixtures_mcp import mcp_server
from tests.mcp_server import PNG, TOKEN
from tools_app import mcp_client, mcp_sessions

WAYS = ("streamable-http", "sse")
NAMES = {"weather", "fail", "picture", "large", "secret", "slow"}


@pytest.fixture(autouse=True)
async def closed():
    yield
    await gateway.close_all()


@pytest.fixture
def command(settings, tmp_path):
    settings.MCP_COMMANDS = [f"{sys.executable} -m tests.mcp_server"]
    return {
        "command": sys.executable,
        "arguments": ["-m", "tests.mcp_server", "stdio", "0", str(tmp_path / "notes")],
        "environment": ["REGION=eu"],
        "secret_variable": "API_TOKEN",
    }


async def until(condition) -> None:
    for _ in range(1200):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("It did not happen in a minute.")


def text_of(answer) -> str:
    return answer.content[0]["text"]


# -- What works ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_at_an_address_lists_its_tools_and_answers_over_one_session(mcp_process, way):
    server = mcp_server(mcp_process(way))

    listing = await mcp_client.listed(server)
    assert (listing.said_name, {tool.name for tool in listing.tools}, listing.note) == ("Weather office", NAMES, "")
    tool = next(tool for tool in listing.tools if tool.name == "weather")
    assert tool.description == "Tells the weather of a city."
    assert tool.arguments["required"] == ["city"]
    assert tool.annotations == {"readOnlyHint": True}

    session = mcp_sessions.session_of(server)
    answers = await asyncio.gather(*(mcp_client.called(server, "weather", {"city": f"C{n}"}) for n in range(5)))
    assert [text_of(answer) for answer in answers] == [f"C{n}: sunny for 1 days" for n in range(5)]
    assert mcp_sessions.session_of(server) is session
    assert await mcp_client.check(server) == "“Weather office” answers and offers 6 tools."


async def test_a_command_that_the_operator_allows_is_started_with_its_secret_and_without_ours(command, monkeypatch):
    monkeypatch.setenv("MAGNET_SECRET_KEY", "ours-and-nobody-elses")
    server = mcp_server(transport="stdio", config=command, secrets={"secret": "for-the-command"})

    assert text_of(await mcp_client.called(server, "weather", {"city": "Riga"})) == "Riga: sunny for 1 days"
    told = text_of(await mcp_client.called(server, "secret", {}))
    assert "variable •••, key None" in told


async def test_an_error_and_an_image_are_answers(mcp_process):
    server = mcp_server(mcp_process())

    failed = await mcp_client.called(server, "fail", {})
    assert failed.is_error
    assert "the archive is closed" in text_of(failed)

    drawn = await mcp_client.called(server, "picture", {})
    assert drawn.content[0]["mimeType"] == "image/png"
    assert base64.b64decode(drawn.content[0]["data"]) == PNG


async def test_a_session_that_nobody_uses_is_closed_and_opened_anew(mcp_process, monkeypatch):
    monkeypatch.setattr(mcp_sessions, "IDLE_SECONDS", 0.2)
    server = mcp_server(mcp_process())

    await mcp_client.called(server, "weather", {"city": "Riga"})
    session = mcp_sessions.session_of(server)
    await until(lambda: not session.is_usable)

    assert text_of(await mcp_client.called(server, "weather", {"city": "Jelgava"})).startswith("Jelgava")


# -- Limits --------------------------------------------------------------------------------------------------------


async def test_five_thousand_tools_are_cut_and_it_is_said(mcp_process):
    listing = await mcp_client.listed(mcp_server(mcp_process(TOOLS="5000")))

    assert len(listing.tools) == mcp_client.MOST_TOOLS
    assert not listing.is_complete
    assert listing.note.startswith("The server lists 5,006 tools. Magnet keeps the first 1,000")


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_that_is_too_large_is_not_read_and_the_next_one_is(mcp_process, way):
    server = mcp_server(mcp_process(way), max_response_kb=100)

    with pytest.raises(ToolError, match="larger than 100 KB"):
        await mcp_client.called(server, "large", {"kilobytes": 300})
    assert text_of(await mcp_client.called(server, "weather", {"city": "Riga"})).startswith("Riga")


@pytest.mark.parametrize("way", WAYS)
async def test_a_slow_tool_is_cancelled_at_the_server_when_its_caller_leaves(mcp_process, way):
    process = mcp_process(way)
    server = mcp_server(process)
    caller = asyncio.create_task(mcp_client.called(server, "slow", {}))
    await until(lambda: process.notes.exists() and process.notes.read_text() == "started")

    caller.cancel()

    await until(lambda: process.notes.read_text() == "cancelled")
    assert text_of(await mcp_client.called(server, "weather", {"city": "Riga"})).startswith("Riga")


async def test_a_slow_tool_runs_out_of_time(mcp_process):
    process = mcp_process()
    await mcp_client.listed(mcp_server(process))

    with pytest.raises(ToolTimedOut, match="did not answer within 2 seconds"):
        await mcp_client.called(mcp_server(process, timeout_seconds=2), "slow", {})


# -- Servers that end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_killed_in_mid_call_is_an_error_at_once_and_answers_when_it_is_back(mcp_process, way):
    process = mcp_process(way)
    server = mcp_server(process)
    caller = asyncio.create_task(mcp_client.called(server, "slow", {}))
    await until(lambda: process.notes.exists() and process.notes.read_text() == "started")

    process.kill()

    with pytest.raises(ToolError, match="broke off in the middle"):
        await caller
    with pytest.raises(ToolError, match="refuses the connection"):
        await mcp_client.called(server, "weather", {"city": "Riga"})
    process.start()
    assert text_of(await mcp_client.called(server, "weather", {"city": "Riga"})).startswith("Riga")


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_restarted_between_calls_is_not_noticed(mcp_process, way):
    process = mcp_process(way)
    server = mcp_server(process)
    await mcp_client.called(server, "weather", {"city": "Riga"})
    session = mcp_sessions.session_of(server)

    process.kill()
    if way == "sse":
        await until(lambda: not session.is_usable)
    process.start()

    assert text_of(await mcp_client.called(server, "weather", {"city": "Riga"})).startswith("Riga")


async def test_a_command_killed_in_mid_call_is_an_error_and_is_started_anew(command, tmp_path):
    server = mcp_server(transport="stdio", config=command)
    caller = asyncio.create_task(mcp_client.called(server, "slow", {}))
    notes = tmp_path / "notes"
    await until(lambda: notes.exists() and notes.read_text() == "started")

    os.kill(child_naming(str(notes)), 9)

    with pytest.raises(ToolError, match="broke off in the middle"):
        await caller
    assert text_of(await mcp_client.called(server, "weather", {"city": "Riga"})).startswith("Riga")


def child_naming(text: str) -> int:
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if text.encode() in (process / "cmdline").read_bytes():
                    return int(process.name)
            except OSError:
                continue
    raise AssertionError("There is no such process.")


# -- What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_wrong_token_is_told_and_the_right_one_is_taken_and_never_shown(mcp_process, way):
    process = mcp_process(way, ASKS_FOR_TOKEN="1")

    with pytest.raises(ToolError, match=r"refuses the sign-in \(status 401\)"):
        await mcp_client.listed(mcp_server(process, auth_kind="bearer", secrets={"token": "wrong"}))

    right = mcp_server(process, auth_kind="bearer", secrets={"token": TOKEN})
    assert "token •••," in text_of(await mcp_client.called(right, "secret", {}))


@pytest.mark.parametrize("way", WAYS)
async def test_a_redirect_to_a_private_address_is_not_followed(mcp_process, way):
    process = mcp_process(way)
    server = mcp_server(process)
    server.url = f"http://127.0.0.1:{process.port}/elsewhere"

    with pytest.raises(ToolError, match=r"sends us to http://169\.254\.169\.254/latest, which is not followed"):
        await mcp_client.listed(server)


@pytest.mark.parametrize("way", WAYS)
async def test_private_addresses_are_called_only_where_both_allow_it(mcp_process, settings, way):
    process = mcp_process(way)
    with pytest.raises(AddressRefused, match=r"switch on allows_private_addresses.*Limits and safety"):
        await mcp_client.listed(mcp_server(process, allows_private_addresses=False))

    settings.ALLOWED_PRIVATE_HOSTS = []
    with pytest.raises(AddressRefused, match="MAGNET_ALLOWED_PRIVATE_HOSTS"):
        await mcp_client.listed(mcp_server(process))


async def test_what_is_no_mcp_server_is_told(fake_api):
    with pytest.raises(ToolError, match="answers with status 404"):
        await mcp_client.listed(mcp_server(url=f"{fake_api.url}/mcp"))


async def test_a_command_that_is_not_allowed_is_not_started(command, settings):
    server = mcp_server(transport="stdio", config=command)
    settings.MCP_COMMANDS = [f"{sys.executable} -m tests.other", "/usr/bin/weather"]

    with pytest.raises(NotConfigured, match="MAGNET_MCP_COMMANDS"):
        await mcp_client.listed(server)


async def test_a_command_that_is_none_is_told(settings):
    settings.MCP_COMMANDS = ["/usr/bin/true", "/nowhere/at-all"]

    for name, said in (("/usr/bin/true", "did not speak MCP"), ("/nowhere/at-all", "cannot be started")):
        with pytest.raises(ToolError, match=said):
            await mcp_client.listed(mcp_server(transport="stdio", config={"command": name}, timeout_seconds=20))


async def test_a_tool_that_is_not_there_is_refused_in_the_words_of_the_server(mcp_process):
    server = mcp_server(mcp_process())
    try:
        answer = await mcp_client.called(server, "nothing", {})
    except (ToolError, InvalidInput) as error:
        assert "nothing" in error.detail  # noqa: PT017 - servers of either revision are right
    else:
        assert answer.is_error
        assert "nothing" in text_of(answer)
