"""Who is calling, bound once for a request, a job or a command, and readable everywhere below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Literal

RESTRICTED = "restricted-documents:read"


def normalized_groups(names: Iterable[str]) -> tuple[str, ...]:
    """Names of groups as they are stored and compared: people write “HR”, “hr ” and “Hr” for the same."""
    return tuple(sorted({folded for name in names if (folded := name.strip().casefold())}))


def names_of(person: str) -> tuple[str, ...]:
    """The groups that a person is: their address, and everybody of its domain."""
    return (person, person.rpartition("@")[2]) if "@" in person else (person,)


@dataclass(frozen=True)
class Caller:
    """A user, an API key, or the product itself; `person` is whom it acts for, as the caller names them.

    `groups` are those whose documents may be found, beside documents for everybody; None means all documents.
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

    def acting_for(self, person: str, groups: Iterable[str]) -> Caller:
        """The same caller, seeing what this person may see; never more than the caller itself."""
        asked = normalized_groups([*groups, *names_of(person)])
        allowed = asked if self.groups is None else tuple(name for name in asked if name in self.groups)
        return replace(self, person=person or self.person, groups=allowed)


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
