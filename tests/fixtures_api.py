"""Ways into the API: in this process, and over real HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from django.db import connection, connections

from magnet import gateway
from magnet.database import close_raw_pool, forget_configuration, in_database
from magnet.models import ApiKey
from magnet.web import rate_limits

IssueKey = Callable[..., str]


@pytest.fixture
def issue_key(transactional_db) -> IssueKey:
    """Make a key in clear: issue_key("providers:read", "models:read", requests_per_minute=10)."""

    def issue(*scopes: str, name: str = "A key", **fields: Any) -> str:
        return ApiKey.objects.issue(name=name, scopes=scopes or ("all",), **fields)[1]

    return issue


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def anonymous() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole ASGI application in this process, without a key."""
    from magnet.asgi import application

    forget_configuration()
    transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # same protocol, other words
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client
    await gateway.close_all()
    await close_raw_pool()
    forget_configuration()


@pytest.fixture
async def api(issue_key: IssueKey, anonymous: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same client with a key that may do everything."""
    anonymous.headers.update(bearer(await in_database(issue_key)))
    return anonymous


@dataclass
class LiveApi:
    """A web server on loopback, as `manage.py web` runs it: with its lifespan, and a pool of ten connections."""

    url: str
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def client(self, key: str = "") -> httpx.Client:
        headers = bearer(key) if key else {}
        self.clients.append(httpx.Client(base_url=self.url, headers=headers, timeout=30))
        return self.clients[-1]


@pytest.fixture
def live_api(transactional_db, connection_pool) -> Iterator[LiveApi]:
    from magnet.asgi import application

    forget_configuration()
    rate_limits._buckets.clear()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True, name="live-api")
    thread.start()
    live = LiveApi(f"http://127.0.0.1:{listener.getsockname()[1]}")
    while not server.started:
        assert thread.is_alive(), "The server ended before it had started."
        thread.join(0.01)
    yield live
    for client in live.clients:
        client.close()
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive(), "The server did not end."
    forget_configuration()


@pytest.fixture
def connection_pool(transactional_db) -> Iterator[None]:
    """Django's pool of ten, as in a web process."""
    connections.close_all()
    options = connection.settings_dict["OPTIONS"]
    options["pool"] = {"min_size": 1, "max_size": 10, "timeout": 10}
    yield
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]  # only PostgreSQL has one
    del options["pool"]
