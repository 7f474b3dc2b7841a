"""OpenAI's protocol over real HTTP: whole answers, streams, vectors, and everything that goes wrong."""

from __future__ import annotations

import asyncio
import cProfile
import pstats
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from magnet.errors import (
    AddressRefused,
    NotConfigured,
    ProviderAnswerInvalid,
    ProviderBusy,
    ProviderError,
    ProviderRefusedKey,
    ProviderTimedOut,
)
from magnet.providers import PROVIDERS
from magnet.providers.base import ChatMessage, ChatReply, ChatRequest, Connection, ModelProvider, ToolCall, Usage
from tests.fake_openai import FakeOpenAI, Scripted

KEY = "sk-very-secret"
HELLO = ChatRequest(model="gpt-fake", messages=[ChatMessage("user", "Hello?")])
WEATHER_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Graz"}'}}


def made(fake: FakeOpenAI, kind: str = "openai", *, timeout_seconds: float = 5.0, **config: Any) -> ModelProvider:
    base_url = fake.base_url if kind == "openai" else fake.base_url.removesuffix("/v1")
    connection = Connection(base_url, KEY, timeout_seconds=timeout_seconds, name="Our models")
    provider = PROVIDERS[kind]
    return provider(connection, provider.Config(**config))


@pytest.fixture(params=["first calls", "later calls"])
async def provider(fake_openai: FakeOpenAI, request: pytest.FixtureRequest) -> AsyncIterator[ModelProvider]:
    """The first call of each kind goes through the whole client, later ones are cast: all must fare alike."""
    one = made(fake_openai)
    if request.param == "later calls":
        await make_first_calls(one, fake_openai)
    yield one
    await one.close()


async def make_first_calls(provider: ModelProvider, fake: FakeOpenAI) -> None:
    await provider.chat(HELLO)
    await provider.embed(["Hello?"], model="text-embedding-fake")
    fake.requests.clear()


async def streamed(provider: ModelProvider, request: ChatRequest = HELLO) -> ChatReply:
    deltas = [delta async for delta in provider.stream(request)]
    assert all(delta.usage is None for delta in deltas[:-1])
    last = deltas[-1]
    text = "".join(delta.text for delta in deltas)
    return ChatReply(text, last.tool_calls, last.usage or Usage(), last.finish_reason)


async def listen(provider: ModelProvider, heard: list[str]) -> None:
    async for delta in provider.stream(HELLO):
        heard.append(delta.text)


async def both_ways(provider: ModelProvider, fake: FakeOpenAI, reply: Scripted) -> list[ChatReply]:
    fake.script(reply, reply)
    return [await provider.chat(HELLO), await streamed(provider)]


# -- What works ----------------------------------------------------------------------------------------------


async def test_answers_whole_and_streamed_alike(provider, fake_openai):
    usage = {
        "prompt_tokens": 90,
        "completion_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }

    replies = await both_ways(provider, fake_openai, Scripted(text="Hëllo wörld, 你好 🙂.", usage=usage))

    assert replies == [ChatReply("Hëllo wörld, 你好 🙂.", (), Usage(90, 30, 64, 12), "stop")] * 2
    assert fake_openai.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_puts_the_pieces_of_tool_calls_together(provider, fake_openai):
    replies = await both_ways(provider, fake_openai, Scripted(tool_calls=(WEATHER_CALL, {**WEATHER_CALL, "id": "b"})))

    expected = (ToolCall("call_1", "weather", '{"city": "Graz"}'), ToolCall("b", "weather", '{"city": "Graz"}'))
    assert [reply.tool_calls for reply in replies] == [expected, expected]
    assert {reply.finish_reason for reply in replies} == {"tool_calls"}


async def test_sends_messages_tools_pictures_and_settings_as_the_protocol_wants_them(provider, fake_openai):
    call = ToolCall("call_1", "weather", "{}")
    request = ChatRequest(
        model="gpt-fake",
        messages=[
            ChatMessage("user", "What is this?", images=("https://example.com/a.png",)),
            ChatMessage("assistant", "", tool_calls=(call,)),
            ChatMessage("tool", "Sunny", tool_call_id="call_1"),
        ],
        max_output_tokens=50,
        response_format={"type": "json_object"},
        tools=[{"type": "function", "function": {"name": "weather"}}],
        options={"temperature": 0.2},
    )

    await provider.chat(request)

    body = fake_openai.requests[0].body
    assert body["messages"][0]["content"][1]["image_url"] == {"url": "https://example.com/a.png"}
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": "{}"}
    assert body["messages"][2] == {"role": "tool", "content": "Sunny", "tool_call_id": "call_1"}
    assert (body["max_tokens"], body["temperature"]) == (50, 0.2)
    assert body["response_format"] == {"type": "json_object"}
    assert body["tools"][0]["function"]["name"] == "weather"


async def test_embeds_in_the_order_asked_as_rows_of_unit_length(provider, fake_openai):
    embeddings = await provider.embed(["red apple", "green apple", "tax law"], model="text-embedding-fake")

    assert embeddings.vectors.dtype == np.float32
    assert np.linalg.norm(embeddings.vectors, axis=1) == pytest.approx([1, 1, 1])
    likeness = embeddings.vectors @ embeddings.vectors[0]
    assert likeness[1] > likeness[2]
    assert embeddings.usage == Usage(input_tokens=6)


@pytest.mark.parametrize(
    ("model", "config", "sent"),
    [("text-embedding-3-small", {}, 32), ("bge-m3", {}, None), ("bge-m3", {"sends_dimensions": True}, 32)],
)
async def test_asks_for_shorter_vectors_only_where_the_model_knows_how(fake_openai, model, config, sent):
    await made(fake_openai, **config).embed(["one"], model=model, dimensions=32)

    assert fake_openai.requests[0].body.get("dimensions") == sent


async def test_lists_the_models_as_proof_of_the_connection(provider):
    assert await provider.check() == ["gpt-fake", "text-embedding-fake"]


async def test_serves_servers_that_do_not_know_stream_options(provider, fake_openai):
    fake_openai.knows_stream_options = False

    first, second = await streamed(provider), await streamed(provider)

    assert first.text == second.text == "This is the answer of the fake model."
    assert len(fake_openai.requests) == 3, "The refusal is remembered."


async def test_one_connection_serves_many_calls(provider, fake_openai):
    for _ in range(3):
        await streamed(provider)
        await provider.chat(HELLO)

    assert fake_openai.connections == 1


async def test_later_calls_pass_by_the_layers_of_the_client(provider, fake_openai):
    await make_first_calls(provider, fake_openai)

    with cProfile.Profile() as profile:
        await provider.chat(HELLO)
        await streamed(provider)
        await provider.embed(["Hello?"], model="text-embedding-fake")

    called = {place for place, _, _ in pstats.Stats(profile).stats}
    assert not [place for place in called if place.endswith("openai/_base_client.py")]
    assert len(fake_openai.requests) == 3


async def test_later_calls_say_what_the_first_said(fake_openai):
    provider = made(fake_openai, organization="org-1", project="proj-1")

    await provider.chat(HELLO)
    await provider.chat(HELLO)

    first, second = fake_openai.requests
    assert first == second
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.headers["openai-organization"] == "org-1"


async def test_providers_are_not_told_about_the_machine(provider, fake_openai):
    await provider.chat(HELLO)
    await streamed(provider)

    assert [name for received in fake_openai.requests for name in received.headers if "stainless" in name] == []


async def test_azure_names_the_deployment_the_version_and_the_key_in_its_own_way(fake_openai):
    azure = made(fake_openai, "azure_openai", api_version="2024-10-21")

    reply = await streamed(azure)

    received = fake_openai.requests[0]
    assert received.path == "/openai/deployments/gpt-fake/chat/completions?api-version=2024-10-21"
    assert received.headers["api-key"] == KEY
    assert reply.text == "This is the answer of the fake model."


async def test_azure_without_an_endpoint_says_what_to_enter():
    azure = PROVIDERS["azure_openai"]

    with pytest.raises(NotConfigured, match="endpoint of the Azure resource"):
        await azure(Connection(api_key=KEY), azure.Config()).chat(HELLO)


# -- What goes wrong -----------------------------------------------------------------------------------------

FAILURES = [
    (Scripted(status=401), ProviderRefusedKey, "refused the key"),
    (Scripted(status=403), ProviderRefusedKey, "refused the key"),
    (Scripted(status=404), ProviderError, "does not know “gpt-fake”"),
    (Scripted(status=400), ProviderError, "refused the request .400.. It said: Scripted 400."),
    (Scripted(status=429), ProviderBusy, "slow down"),
    (Scripted(status=500), ProviderError, "failed .500."),
    (Scripted(status=302, headers={"Location": "http://10.0.0.1/"}), ProviderError, "redirect"),
    (Scripted(body=b""), ProviderAnswerInvalid, "empty answer|no stream"),
    (Scripted(body=b"<html>Welcome to nginx"), ProviderAnswerInvalid, "not JSON|no stream"),
    (Scripted(body=b'{"error": {"message": "Out of memory."}}'), ProviderError, "Out of memory|no stream"),
    (Scripted(text=""), ProviderAnswerInvalid, "empty answer"),
]


@pytest.mark.parametrize(("reply", "expected", "sentence"), FAILURES)
async def test_tells_every_failure_in_a_sentence_that_names_the_provider(
    provider, fake_openai, reply, expected, sentence
):
    fake_openai.script(reply, reply)

    for call in (provider.chat(HELLO), streamed(provider)):
        with pytest.raises(expected, match=sentence) as caught:
            await call
        assert "Our models" in caught.value.detail
        assert KEY not in caught.value.detail


async def test_says_when_to_come_back(provider, fake_openai):
    fake_openai.script(
        Scripted(status=429, headers={"Retry-After": "7"}),
        Scripted(status=429, headers={"retry-after-ms": "250"}),
    )

    waits = []
    for _ in range(2):
        with pytest.raises(ProviderBusy) as caught:
            await provider.chat(HELLO)
        waits.append(caught.value.retry_after_seconds)

    assert waits == [7, 0.25]


async def test_an_account_without_credit_is_not_merely_busy(provider, fake_openai):
    body = b'{"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}'
    fake_openai.script(Scripted(status=429, body=body, headers={"Content-Type": "application/json"}))

    with pytest.raises(ProviderError, match="no credit left") as caught:
        await provider.chat(HELLO)

    assert not isinstance(caught.value, ProviderBusy)


async def test_a_stream_cut_off_is_an_error_and_not_a_short_answer(provider, fake_openai):
    fake_openai.script(Scripted(text="one two three four five", stops_after=3))
    heard: list[str] = []

    with pytest.raises(ProviderError, match="stopped in mid-stream"):
        await listen(provider, heard)

    assert "".join(heard) == "one two"


async def test_an_error_within_a_stream_is_told(provider, fake_openai):
    fake_openai.script(Scripted(text="one two three", error_after=2))

    with pytest.raises(ProviderError, match="The model fell over"):
        await streamed(provider)


@pytest.mark.parametrize("is_first_call", [True, False])
async def test_a_slow_provider_times_out_whole_and_in_mid_stream(fake_openai, is_first_call):
    hasty = made(fake_openai, timeout_seconds=0.2)
    if not is_first_call:
        await make_first_calls(hasty, fake_openai)
    fake_openai.script(Scripted(delay_seconds=2), Scripted(text="one two three", delta_seconds=2))

    with pytest.raises(ProviderTimedOut, match=r"did not answer within 0\.2 seconds"):
        await hasty.chat(HELLO)
    with pytest.raises(ProviderTimedOut, match="went silent in mid-stream"):
        await streamed(hasty)


async def test_nobody_listening_is_told_as_unreachable(fake_openai):
    nowhere = PROVIDERS["openai"](Connection("http://127.0.0.1:9/v1", KEY), PROVIDERS["openai"].Config())

    with pytest.raises(ProviderError, match="cannot be reached"):
        await nowhere.chat(HELLO)


async def test_a_server_that_hangs_up_is_told_as_unreachable_at_every_call(settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    body = b'{"choices": [{"message": {"content": "Hello."}}]}'
    answers = iter([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)])

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(answers, b""))
        writer.close()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        provider = PROVIDERS["openai"](Connection(address, KEY), PROVIDERS["openai"].Config())

        assert (await provider.chat(HELLO)).text == "Hello."
        with pytest.raises(ProviderError, match="cannot be reached"):
            await provider.chat(HELLO)


async def test_private_addresses_are_refused_unless_the_operator_allows_them(fake_openai, settings):
    settings.ALLOWED_PRIVATE_HOSTS = []

    with pytest.raises(AddressRefused, match="MAGNET_ALLOWED_PRIVATE_HOSTS"):
        await made(fake_openai).chat(HELLO)
    assert fake_openai.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": []}',
        b'{"data": [{"index": 0, "embedding": "AAAA"}]}',
        b'{"data": [{"index": 0, "embedding": [0.0, 0.0]}]}',
        b'{"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]}',
        b'{"nonsense": true}',
    ],
)
async def test_vectors_that_cannot_be_right_are_refused(provider, fake_openai, body):
    fake_openai.script(Scripted(body=body))

    with pytest.raises(ProviderAnswerInvalid, match="Our models"):
        await provider.embed(["one"], model="text-embedding-fake")


# -- Leaving -------------------------------------------------------------------------------------------------


async def test_leaving_a_stream_stops_the_model(provider, fake_openai):
    fake_openai.script(Scripted(text="word " * 500, delta_seconds=0.02))
    stream = provider.stream(HELLO)

    await anext(stream)
    await stream.aclose()

    assert await asyncio.to_thread(fake_openai.wait_until, lambda fake: fake.disconnects == 1)


async def test_cancelling_a_call_stops_the_model(provider, fake_openai):
    fake_openai.script(Scripted(delay_seconds=30))
    call = asyncio.create_task(provider.chat(HELLO))
    assert await asyncio.to_thread(fake_openai.wait_until, lambda fake: fake.active == 1)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert await asyncio.to_thread(fake_openai.wait_until, lambda fake: fake.disconnects == 1)
