"""Who is calling, bound once for a request, a job or a command, and readable everywhere below."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Caller:
    """A user, an API key, or the product itself; `person` is whom it acts for, as the caller names them.

    `groups` are the groups whose documents the person may see; None means "not restricted".
    """

    kind: Literal["user", "key", "system"] = "system"
    id: str = ""
    label: str = "Magnet"
    scopes: frozenset[str] = frozenset()
    person: str = ""
    groups: tuple[str, ...] | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    recording: str = "full"
    request_id: str = ""
    requests_per_minute: int | None = None

    def may(self, scope: str) -> bool:
        return "all" in self.scopes or scope in self.scopes


SYSTEM = Caller(scopes=frozenset({"all"}))

_current: ContextVar[Caller] = ContextVar("caller", default=SYSTEM)


def current_caller() -> Caller:
    return _current.get()


def bind_caller(caller: Caller) -> None:
    _current.set(caller)


@contextmanager
def acting_as(caller: Caller) -> Iterator[Caller]:
    token = _current.set(caller)
    try:
        yield caller
    finally:
        _current.reset(token)
