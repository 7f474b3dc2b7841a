"""How an MCP server is reached: what every way promises, as plain values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx2
from pydantic import BaseModel, ConfigDict

# What the SDK reads messages from and writes them to.
Streams = tuple[Any, Any]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Endpoint:
    """Where a server is. `new_client` makes the HTTP client that is guarded and signs; ways without HTTP ignore it."""

    url: str
    config: Any
    secrets: Mapping[str, Any] = field(repr=False)
    new_client: Callable[[], httpx2.AsyncClient] = field(repr=False)
    # The longest message that is taken.
    max_bytes: int = 1_000_000


class Transport(ABC):
    """One way to a server. A way is a subclass in a file of its own, and a line in TRANSPORTS."""

    label: ClassVar[str]
    description: ClassVar[str] = ""
    icon: ClassVar[str] = "lan"
    # Whether it has an address and a sign-in; else it is a command on this machine.
    has_address: ClassVar[bool] = True
    Config: ClassVar[type[BaseModel]] = Shape
    Secrets: ClassVar[type[BaseModel]] = Shape

    @classmethod
    @abstractmethod
    def opened(cls, endpoint: Endpoint) -> AbstractAsyncContextManager[Streams]:
        """The connection, as a context of one task. Raises AddressRefused, OSError and errors of httpx2."""
