"""A JSON API on the loopback, scripted by the fakes of this folder: it checks the sign-in and keeps every call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from knowledge.connectors import CONNECTORS
from knowledge.connectors.base import Connector
from magnet.outbound.http import OutboundClient
from tests.fake_website import Call, FakeWebsite, Page

Api = TypeVar("Api", bound="FakeApi")


def as_json(value: Any, *, status: int = 200, **headers: str) -> Page:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Page(json.dumps(value), status=status, headers=named, media_type="application/json;charset=utf-8")


class FakeApi(FakeWebsite):
    """`respond(call)` answers by path and query. `authorization` is what a call must carry, `failures` are answers
    that stand in the way of the next calls, by path (each is used once)."""

    authorization = ""

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, list[Page]] = {}

    def fail(self, path: str, *pages: Page) -> None:
        """The next calls whose path (with its query) or body contains this get these answers."""
        self.failures.setdefault(path, []).extend(pages)

    def answer(self, call: Call) -> Page:
        self.calls.append(call)
        for part, pages in self.failures.items():
            if (part in call.path or part.encode() in call.body) and pages:
                return pages.pop(0)
        if not self.may_enter(call):
            return self.refuse(call)
        return self.respond(call)

    def may_enter(self, call: Call) -> bool:
        return not self.authorization or call.headers.get("Authorization") == self.authorization

    def refuse(self, call: Call) -> Page:
        return as_json({"message": "Unauthorized"}, status=401)

    def respond(self, call: Call) -> Page:
        return as_json({"message": f"No route for {call.path}"}, status=404)

    # -- What the contract of all connectors needs (test_contract.py) -------------------------------------------------

    kind = ""
    # What only the call for a second page of the listing contains.
    second_page = ""
    # Whether documents are read from their public address, without a token.
    reads_in_public = False

    def lock(self) -> None:
        """From now on nobody's token is good."""
        self.authorization = "Bearer of-nobody"

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Config and secrets that fit this fake."""
        raise AssertionError(f"{type(self).__name__} says no settings.")

    def put(self, number: int, text: str) -> None:
        """Write document `number` anew."""
        raise AssertionError(f"{type(self).__name__} takes no documents.")

    def remove(self, number: int) -> None:
        raise AssertionError(f"{type(self).__name__} forgets no documents.")

    def remote_id(self, number: int) -> str:
        return str(number)

    def connector(self, *, state: dict[str, Any] | None = None, **config: Any) -> Connector:
        kind = CONNECTORS[self.kind]
        settings, secrets = self.settings()
        shaped = kind.Config.model_validate({**settings, **config}), kind.Secrets.model_validate(secrets)
        return cast("Any", kind)(*shaped, state=state, client=impatient_client())

    def asked(self, part: str) -> list[Call]:
        """The calls whose path contains this."""
        return [call for call in self.calls if part in call.path]


def path_of(call: Call) -> str:
    return urlsplit(call.path).path


def query_of(call: Call) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(call.path).query, keep_blank_values=True))


def sent_json(call: Call) -> Any:
    return json.loads(call.body)


@contextmanager
def running(make: Callable[[], Api]) -> Iterator[Api]:
    api = make()
    try:
        yield api
    finally:
        api.close()


def impatient_client() -> OutboundClient:
    """As the product's, but it gives up soon."""
    return OutboundClient(timeout_seconds=10, total_seconds=20, attempts=2, first_wait_seconds=0.01)


SLOW_DOWN = as_json({"message": "Too many requests"}, status=429, Retry_After="3600")
FAULT = Page("Something broke", status=500)
