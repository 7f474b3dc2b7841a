"""A server on loopback that speaks OpenAI's protocol, so that tests and benchmarks use real HTTP and no network.

It answers by itself (citing the numbered passages it finds in the prompt), or as a test scripts it:

    fake.script(Scripted(status=429, headers={"Retry-After": "0.1"}), Scripted(text="Hello [1]."))

Run it alone with `python -m tests.fake_openai --port 0 --latency-ms 200 --deltas 60`; it prints its base URL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fake_openai_answers import chat_answer, chunks_of, embedding_answer, reply_text, rerank_answer


@dataclass(frozen=True)
class Scripted:
    """One reply as a test wants it. The first scripted reply answers the first request, and so on."""

    text: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    # By default what fits: "tool_calls" or "stop".
    finish_reason: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    # Sent as it is instead of an answer: garbage, an empty body.
    body: bytes | None = None
    delay_seconds: float = 0.0
    # In a stream: seconds between deltas, and after how many of them the connection closes or an error comes.
    delta_seconds: float = 0.0
    stops_after: int | None = None
    error_after: int | None = None
    usage: Mapping[str, Any] | None = None
    sends_usage: bool = True


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: Any


class FakeOpenAI:
    """The server, on a thread and an event loop of its own."""

    def __init__(self, *, latency_seconds: float = 0.0, deltas: int = 0, dimensions: int = 64) -> None:
        self.latency_seconds, self.deltas, self.dimensions = latency_seconds, deltas, dimensions
        self.models = ["gpt-fake", "text-embedding-fake"]
        # Servers that do not know `stream_options` answer 400 to it.
        self.knows_stream_options = True
        # What a test lets it say to every request of a kind, for as long as it likes.
        self.rule: Callable[[Any], Scripted | None] = lambda body: None
        self.requests: list[Received] = []
        self.connections = self.active = self.most_active = self.disconnects = 0
        self._scripted: deque[Scripted] = deque()
        self._loop = asyncio.new_event_loop()
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self, *, port: int = 0) -> FakeOpenAI:
        listening = threading.Event()

        async def listen() -> None:
            server = await self._loop.create_server(lambda: Exchange(self), "127.0.0.1", port)
            self.port = server.sockets[0].getsockname()[1]
            listening.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(listen())
            self._loop.run_forever()

        threading.Thread(target=run, daemon=True, name="fake-openai").start()
        assert listening.wait(5), "The fake server did not start."
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def script(self, *replies: Scripted) -> None:
        self._scripted.extend(replies)

    def next_reply(self) -> Scripted:
        return self._scripted.popleft() if self._scripted else Scripted()

    def wait_until(self, is_true: Callable[[FakeOpenAI], bool], *, seconds: float = 5.0) -> bool:
        """Whether the statement became true in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if is_true(self):
                return True
            time.sleep(0.01)
        return is_true(self)


class Exchange(asyncio.Protocol):
    """One connection: requests come one after another, each is answered by a task that dies with the client."""

    def __init__(self, fake: FakeOpenAI) -> None:
        self.fake, self.buffer = fake, b""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.fake.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        if self.task and not self.task.done():
            self.fake.disconnects += 1
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        body = json.loads(rest[:length]) if length else None
        received = Received(first.split(" ")[1], headers, body)
        self.fake.requests.append(received)
        self.task = asyncio.get_running_loop().create_task(self.answer(received))

    async def answer(self, received: Received) -> None:
        fake, path = self.fake, received.path.partition("?")[0]
        if path.endswith("/models"):
            return self.send_json(200, {"object": "list", "data": [{"id": name} for name in fake.models]})
        reply = fake.rule(received.body) or fake.next_reply()
        fake.active += 1
        fake.most_active = max(fake.most_active, fake.active)
        try:
            await asyncio.sleep(fake.latency_seconds + reply.delay_seconds)
            await self.send_reply(received, reply, path)
        finally:
            fake.active -= 1

    async def send_reply(self, received: Received, reply: Scripted, path: str) -> None:
        body = received.body or {}
        if reply.body is not None:
            self.send(reply.status, reply.body, reply.headers)
        elif reply.status != 200:
            self.send_json(reply.status, {"error": {"message": f"Scripted {reply.status}."}}, reply.headers)
        elif path.endswith("/embeddings"):
            self.send_json(200, embedding_answer(body, dimensions=self.fake.dimensions))
        elif path.endswith("/rerank"):
            self.send_json(200, rerank_answer(body))
        elif body.get("stream_options") and not self.fake.knows_stream_options:
            self.send_json(400, {"error": {"message": "Unknown parameter: 'stream_options'."}})
        elif body.get("stream"):
            await self.send_stream(body, reply)
        else:
            text = self.said(body, reply)
            self.send_json(200, chat_answer(body, text, tool_calls=reply.tool_calls, usage=reply.usage))

    def said(self, body: Any, reply: Scripted) -> str:
        """Beside calls, only what a test scripts."""
        if reply.tool_calls:
            return reply.text or ""
        return reply_text(body, reply.text, deltas=self.fake.deltas)

    async def send_stream(self, body: Any, reply: Scripted) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunks = chunks_of(
            body,
            self.said(body, reply),
            tool_calls=reply.tool_calls,
            usage=reply.usage,
            has_usage=reply.sends_usage,
            finish_reason=reply.finish_reason,
        )
        async for event in self.paced(chunks, reply):
            frame = b"data: " + event + b"\n\n"
            self.transport.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        if reply.stops_after is not None:
            return self.transport.close()
        self.transport.write(b"0\r\n\r\n")

    async def paced(self, chunks: list[dict[str, Any]], reply: Scripted) -> AsyncIterator[bytes]:
        for number, chunk in enumerate(chunks):
            if number == reply.stops_after:
                return
            if number == reply.error_after:
                yield json.dumps({"error": {"message": "The model fell over.", "type": "server_error"}}).encode()
                return
            yield json.dumps(chunk).encode()
            # Even without a pause each delta is a write of its own, as from a real model.
            await asyncio.sleep(reply.delta_seconds)
        yield b"[DONE]"

    def send_json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--latency-ms", type=float, default=0)
    arguments.add_argument("--deltas", type=int, default=0)
    arguments.add_argument("--dimensions", type=int, default=64)
    given = arguments.parse_args()
    fake = FakeOpenAI(latency_seconds=given.latency_ms / 1000, deltas=given.deltas, dimensions=given.dimensions).start(
        port=given.port
    )
    print(fake.base_url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
