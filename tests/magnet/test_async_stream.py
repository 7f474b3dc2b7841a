"""Calls to model providers on the event loops that the product uses: TLS, hang-ups, large answers, silence."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest
import uvloop

from magnet.outbound.async_transport import CheckedAsyncTransport
from tests.magnet.test_transport import authority_for

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request, settings):
    """The web serves on uvloop; jobs and commands call from asyncio's own loop."""
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1", "::1"]
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


@contextlib.asynccontextmanager
async def server(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that lets `answer` handle each connection; yields host and port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await answer(reader, writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"localhost:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


def client(*, tls: ssl.SSLContext | None = None, timeout: float = 60) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=CheckedAsyncTransport(tls=tls), timeout=timeout)


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_a_connection_that_the_server_left_is_not_used_again(run):
    connections: list[int] = []
    left = asyncio.Event()

    async def answer_once(reader, writer):
        connections.append(1)
        await head(reader)
        writer.write(whole(b"good morning"))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        left.set()

    async def ask_twice():
        async with server(answer_once) as address, client() as http:
            for _ in range(2):
                left.clear()
                assert (await http.get(f"http://{address}/")).text == "good morning"
                await left.wait()
                # The hang-up is on its way through the kernel.
                await asyncio.sleep(0.1)

    run(ask_twice())

    assert len(connections) == 2


def test_calls_one_after_another_share_a_connection(run):
    connections: list[int] = []

    async def answer(reader, writer):
        connections.append(1)
        while await head(reader):
            writer.write(whole(b"again"))

    async def ask():
        async with server(answer) as address, client() as http:
            return [(await http.get(f"http://{address}/")).text for _ in range(3)]

    assert run(ask()) == ["again"] * 3
    assert len(connections) == 1


def test_a_large_question_and_a_large_answer_arrive_whole(run):
    question, answered = b"q" * 3_000_000, b"a" * 5_000_000

    async def answer(reader, writer):
        await head(reader)
        # Slowly at first, so that our side must wait with writing.
        await asyncio.sleep(0.1)
        assert await reader.readexactly(len(question)) == question
        writer.write(whole(answered))
        await writer.drain()

    async def ask():
        async with (
            server(answer) as address,
            client() as http,
            http.stream("POST", f"http://{address}/", content=question) as response,
        ):
            parts = []
            async for part in response.aiter_bytes():
                parts.append(part)
                # We read more slowly than the server writes.
                await asyncio.sleep(0)
            return b"".join(parts)

    assert run(ask()) == answered


def test_a_server_that_says_nothing_is_given_up_in_time(run):
    async def say_nothing(reader, writer):
        await head(reader)
        await reader.read()

    async def ask():
        async with server(say_nothing) as address, client(timeout=0.2) as http:
            await http.get(f"http://{address}/")

    with pytest.raises(httpx2.ReadTimeout):
        run(ask())


def test_nobody_at_home_is_told_as_such(run):
    async def ask():
        async with server(lambda reader, writer: asyncio.sleep(0)) as address:
            pass
        async with client() as http:
            await http.get(f"http://{address}/")

    with pytest.raises(httpx2.ConnectError):
        run(ask())


def test_tls_is_proven_for_the_name_and_carries_calls(run, tmp_path):
    server_tls, trusted = authority_for("localhost", tmp_path)

    async def answer(reader, writer):
        while await head(reader):
            writer.write(whole(b"over TLS"))

    async def ask():
        async with server(answer, tls=server_tls) as address, client(tls=trusted) as http:
            return [(await http.get(f"https://{address}/")).text for _ in range(2)]

    assert run(ask()) == ["over TLS"] * 2


def test_a_certificate_of_somebody_else_is_refused(run, tmp_path):
    server_tls, trusted = authority_for("wiki.test", tmp_path)

    async def answer(reader, writer):
        await head(reader)

    async def ask():
        async with server(answer, tls=server_tls) as address, client(tls=trusted) as http:
            await http.get(f"https://{address}/")

    with pytest.raises(httpx2.ConnectError, match="certificate"):
        run(ask())
