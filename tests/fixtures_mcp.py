"""MCP servers made with the official SDK, in processes of their own on the loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, eventually, free_port
from tools_app.models import McpServer


class McpProcess:
    """One server; `kill` is kill -9, and `start` begins it anew at the same port."""

    def __init__(self, folder: Path, transport: str, **environment: str) -> None:
        self.transport, self.environment = transport, environment
        self.notes = folder / f"notes-{transport}"
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{'sse' if self.transport == 'sse' else 'mcp'}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.mcp_server", self.transport, str(self.port), str(self.notes)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **self.environment}, stdout=subprocess.DEVNULL
        )
        assert eventually(self.answers, seconds=30)

    def answers(self) -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", self.port)) == 0

    def describe(self, text: str) -> None:
        """As a new release of the server would."""
        self.notes.with_suffix(".description").write_text(text)
        self.kill()
        self.start()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def mcp_process(tmp_path, settings) -> Iterator[Callable[..., McpProcess]]:
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    started: list[McpProcess] = []

    def start(transport: str = "streamable-http", **environment: str) -> McpProcess:
        started.append(McpProcess(tmp_path, transport, **environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def mcp_server(process: McpProcess | None = None, *, secrets: dict[str, Any] | None = None, **fields: Any) -> McpServer:
    """A server that is not stored."""
    if process is not None:
        fields = {"url": process.url, "transport": process.transport.replace("-", "_"), **fields}
    row = McpServer(
        **{
            "name": "Weather",
            "slug": "weather",
            "allows_private_addresses": True,
            "timeout_seconds": 60,
            **fields,
        }
    )
    row.set_secrets(secrets or {})
    row.clean()
    return row
