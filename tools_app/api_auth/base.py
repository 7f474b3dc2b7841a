"""How requests to somebody's API are signed: what every kind of sign-in promises, as plain values."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from magnet.errors import AddressRefused
from magnet.outbound.addresses import host_and_port

# The letters of a name of a header (RFC 9110, 5.6.2).
HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
# How a message is framed and where it goes is the client's own affair (RFC 9110, 7.6.1; RFC 9112, 6 and 7): whoever
# could set these would smuggle requests to others.
FRAMING = frozenset(
    {
        *("host", "connection", "content-length", "transfer-encoding", "keep-alive", "te", "trailer", "upgrade"),
        *("expect", "http2-settings"),
    }
)


def is_framing(name: str) -> bool:
    """Whether a header of this name belongs to the connection, and not to what is sent over it."""
    return name.strip().lower() in FRAMING or name.strip().lower().startswith(("proxy-", ":"))


def _header(value: str) -> str:
    if is_framing(value):
        raise ValueError(f"{value} belongs to the connection itself, so it cannot be set")
    return value


HeaderName = Annotated[str, Field(min_length=1, max_length=100, pattern=HEADER_NAME), AfterValidator(_header)]


def _address(value: str) -> str:
    try:
        host_and_port(value)
    except AddressRefused as error:
        raise ValueError(error.detail) from error
    return value


Address = Annotated[str, Field(max_length=500), AfterValidator(_address)]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Signature:
    """What a sign-in adds to a request. None of it is shown, kept, or sent to another origin."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be read in an answer that echoes the request."""
        values = [*self.headers.values(), *self.query.values()]
        return tuple({part for value in values for part in (value, value.rpartition(" ")[2]) if part})


@dataclass(frozen=True)
class TokenRequest:
    """How a token is asked for (RFC 6749): a form that is posted, perhaps with the client's own sign-in."""

    url: str
    form: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)


class Auth(ABC):
    """One kind of sign-in. A kind is a subclass in a file of its own, and a line in AUTHS."""

    label: ClassVar[str]
    description: ClassVar[str] = ""
    Config: ClassVar[type[BaseModel]] = Shape
    Secrets: ClassVar[type[BaseModel]] = Shape

    def __init__(self, config: Any, secrets: Any) -> None:
        self.config = config
        self.secrets = secrets

    def token_request(self) -> TokenRequest | None:
        """How the token is had that `sign` needs; None where it needs none."""
        return None

    @abstractmethod
    def sign(self, *, token: str, variables: Mapping[str, Any]) -> Signature:
        """What is added to a request; `variables` are those of the conversation. Raises InvalidInput."""


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
