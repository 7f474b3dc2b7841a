"""Every endpoint of the API and every page of the admin, tried by those who have no business there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import httpx
import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from magnet import groups
from magnet.api.root import api as the_api
from magnet.database import in_database
from magnet.ids import uuid7
from magnet.models import ApiKey, PromptTemplate, Span, SpanPayload, Trace, User
from magnet.scopes import SCOPES
from magnet.web.auth import scopes_of
from tests import factories
from tests.fixtures_admin import signed_in
from tests.fixtures_api import bearer
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "a" * 32
# What a Viewer never gets, whatever models and floors will be added.
CLOSED_TO_VIEWERS = re.compile(
    r".*:(write|publish)|(traces|providers|models|api-keys|restricted-documents):.*|(api-tools|mcp-servers):run|all"
)
# What has no right of its own is for who may see that of which it is a part.
SEEN_WITH = {"feedback": "trace", "chunk": "document"}


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    # One of them is enough; empty where it depends on what is asked for.
    scopes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def endpoints() -> list[Endpoint]:
    # Loading the addresses hands the API its routers.
    import_module("magnet.urls")
    found = []
    for prefix, router in the_api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                guard: Any = operation.auth_callbacks[0] if operation.auth_callbacks else None
                scopes = tuple(filter(None, (guard.scope, *guard.others))) if guard else ("nobody asks",)
                found += [Endpoint(method, f"/api{prefix}{filled(path)}", scopes) for method in operation.methods]
    return found


def filled(path: str) -> str:
    """Names of things that are not there: only who may come in finds that out."""
    path = re.sub(r"\{(?:uuid\w*:)?\w*_id\}", str(uuid7()), path)
    return re.sub(r"\{number\}", "1", re.sub(r"\{(?:path:)?(slug|name|remote_id)\}", "x", path))


async def knock(client: httpx.AsyncClient, endpoint: Endpoint, headers: dict[str, str]) -> int:
    body: Any = {} if endpoint.method in ("POST", "PUT", "PATCH") else None
    response = await client.request(endpoint.method, endpoint.path, headers=headers, json=body)
    assert response.status_code < 500, (endpoint, response.text)
    return response.status_code


def session_of(user: User) -> dict[str, str]:
    """As the browser of somebody who is signed in sends it, with the token of its forms."""
    cookies = signed_in(user).cookies["sessionid"].value
    return {"Cookie": f"sessionid={cookies}; csrftoken={TOKEN}", "X-CSRFToken": TOKEN}


def person(name: str, *group: str, **fields: Any) -> User:
    groups.seed()
    user = User.objects.create_user(f"{name}@example.com", "a password of theirs", name=name, **fields)
    user.groups.set(Group.objects.filter(name__in=group))
    return user


# -- The API -----------------------------------------------------------------------------------------------------------


def test_every_endpoint_asks_who_calls():
    assert [str(each) for each in endpoints() if each.scopes == ("nobody asks",)] == []
    assert len(endpoints()) > 100


async def test_nobody_comes_in_without_a_key_or_a_session(anonymous):
    forged = {"Cookie": "sessionid=abcdefghijklmnopqrstuvwxyz012345"}
    open_ones = {}
    for each in endpoints():
        answers = [await knock(anonymous, each, headers) for headers in ({}, forged)]
        if answers != [401, 401]:
            open_ones[str(each)] = answers

    assert open_ones == {}


async def test_a_key_with_every_other_scope_opens_nothing(anonymous, issue_key):
    keys: dict[tuple[str, ...], dict[str, str]] = {}
    opened = {}
    for each in endpoints():
        if not each.scopes:
            continue
        if each.scopes not in keys:
            others = set(SCOPES) - set(each.scopes) - {"all"}
            keys[each.scopes] = bearer(await in_database(issue_key, *sorted(others)))
        status = await knock(anonymous, each, keys[each.scopes])
        if status != 403:
            opened[str(each)] = status

    assert opened == {}


async def test_the_sessions_of_viewers_and_of_people_without_groups_open_what_is_theirs(anonymous):
    viewer, nobody = await in_database(lambda: (person("vera", "Viewer"), person("nil")))
    held = await in_database(scopes_of, viewer)
    hers, theirs = await in_database(lambda: (session_of(viewer), session_of(nobody)))
    wrong = {}
    # One endpoint for each scope: that each asks for its own, keys have shown.
    for each in {each.scopes: each for each in endpoints() if each.scopes}.values():
        statuses = await knock(anonymous, each, hers), await knock(anonymous, each, theirs)
        may = bool(held & set(each.scopes))
        if (statuses[0] == 403) is may or statuses[1] != 403:
            wrong[str(each)] = statuses

    assert wrong == {}
    assert [scope for scope in sorted(held) if CLOSED_TO_VIEWERS.fullmatch(scope)] == []
    assert {"rag-tools:run", "retrieval-tools:run"} <= held


async def test_the_session_of_an_administrator_changes_nothing_without_the_token_of_its_form(anonymous):
    session = await in_database(lambda: session_of(person("olga", is_superuser=True)))
    del session["X-CSRFToken"]

    taken = {str(each): status for each in endpoints() if each.method != "GET"
             and (status := await knock(anonymous, each, session)) != 403}  # fmt: skip

    assert taken == {}


async def test_what_can_be_moved_depends_on_what_it_is(anonymous, issue_key):
    await in_database(lambda: (PromptTemplate.objects.create(name="Kind", slug="kind"), factories.local_embedding()))
    viewer = await in_database(lambda: session_of(person("vera", "Viewer")))
    other = bearer(await in_database(issue_key, "rag-tools:read", "rag-tools:write"))
    document = "kinds: {}\n"

    seen = {}
    for name, headers in (("viewer", viewer), ("other", other)):
        provider = await anonymous.get("/api/export?object=providers/local", headers=headers)
        everything = await anonymous.get("/api/export?all=true", headers=headers)
        taken = await anonymous.post("/api/import", headers=headers, json={"document": document})
        seen[name] = provider.status_code, everything.status_code
        assert taken.status_code in (403, 409, 422), taken.text

    assert seen == {"viewer": (403, 403), "other": (403, 403)}


# -- What belongs to somebody else -------------------------------------------------------------------------------------


def somebodys_trace() -> Trace:
    """A question that another key asked."""
    key, _secret = ApiKey.objects.issue(name="Website", scopes=["rag-tools:run"])
    trace = Trace.objects.create(
        feature="rag_tool", slug="help", summary="How ill am I?", started_at=timezone.now(),
        caller_type="key", caller_id=str(key.pk), caller_label="Website",
    )  # fmt: skip
    span = Span.objects.create(trace=trace, name="choose passages", started_at=trace.started_at)
    passage = {"number": 1, "text": "Very ill.", "document": {"title": "Findings"}}
    SpanPayload.objects.create(span=span, created_at=trace.started_at, output={"passages": [passage]})
    return trace


async def test_the_trace_of_somebody_else_is_not_there(anonymous, issue_key):
    trace = await in_database(somebodys_trace)
    others = {
        "key": bearer(await in_database(issue_key, *sorted(set(SCOPES) - {"traces:read", "all"}))),
        # Of the same number as the key that asked, perhaps: numbers of people and keys are not the same.
        "viewer": await in_database(lambda: session_of(person("vera", "Viewer", pk=int(trace.caller_id)))),
    }
    here = f"/api/traces/{trace.pk}"
    told = {}
    for name, headers in others.items():
        answers = [
            await anonymous.get(here, headers=headers),
            await anonymous.get(f"{here}/passages", headers=headers),
            await anonymous.get(f"{here}/passages/1", headers=headers),
            await anonymous.get(f"{here}/documents?search=a", headers=headers),
            await anonymous.post(f"{here}/explain", json={"document": "Findings"}, headers=headers),
            await anonymous.post(f"{here}/feedback", json={"rating": "like"}, headers=headers),
            await anonymous.post(
                f"/api/rag-tools/help/answers/{trace.pk}/feedback", json={"rating": "like"}, headers=headers
            ),
        ]
        told[name] = [answer.status_code for answer in answers]
        assert not any(word in answer.text for answer in answers for word in ("ill", "Findings"))

    assert told == {name: [403, 404, 404, 403, 403, 404, 404] for name in others}


# -- The admin ---------------------------------------------------------------------------------------------------------


def pages_of_lists() -> Iterator[tuple[str, str]]:
    """The list of each kind of thing, and the permission to see it."""
    for page in admin.site._registry.values():
        app, thing = page.opts.app_label, str(page.opts.model_name)
        yield reverse(f"admin:{app}_{thing}_changelist"), f"{app}.view_{SEEN_WITH.get(thing, thing)}"


@pytest.mark.parametrize("group", ["Viewer", "Editor", ""])
def test_a_list_in_the_admin_is_for_who_may_see_what_is_in_it(group):
    user = person("vera", group)
    client = signed_in(user)

    wrong = {}
    for url, permission in pages_of_lists():
        status = client.get(url).status_code
        if status != (200 if user.has_perm(permission) else 403):
            wrong[url] = (permission, status)

    assert wrong == {}


def test_who_only_asks_gets_no_page_of_the_admin():
    client = signed_in(person("vera", "Viewer", is_staff=False))

    answers = {url: client.get(url) for url, _permission in pages_of_lists()}

    led = {url: answer.headers.get("Location", "") for url, answer in answers.items()}
    assert {url for url, to in led.items() if not to.startswith("/admin/login/")} == set()
    assert client.get("/ask/").status_code == 200


def test_a_viewer_reads_no_questions_of_others_anywhere():
    template = PromptTemplate.objects.create(name="Kind", slug="kind")
    RagTool.objects.create(name="Help", slug="help")
    for feature, slug in (("prompt", "kind"), ("prompt_template", "kind"), ("rag_tool", "help")):
        Trace.objects.create(feature=feature, slug=slug, summary="How ill am I?", started_at=timezone.now())
    client = signed_in(person("vera", "Viewer"))

    pages = [reverse("admin:index"), reverse("admin:magnet_prompttemplate_playground", args=[template.pk])]
    shown = {url: client.get(url) for url in pages}

    assert {answer.status_code for answer in shown.values()} == {200}
    assert [url for url, answer in shown.items() if "How ill" in answer.content.decode()] == []


def test_nobody_asks_on_a_page_without_the_right():
    client = signed_in(person("nil", is_staff=False))

    assert (client.get("/ask/").status_code, client.get("/ask/help").status_code) == (403, 403)
    assert Client().get("/ask/").headers["Location"].startswith(reverse("ask_sign_in"))
