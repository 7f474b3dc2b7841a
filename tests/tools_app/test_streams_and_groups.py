"""What is streamed is found for the person who asked: by key, by session, or named by a caller."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from knowledge.models import Document
from magnet.database import in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.models import User
from tests import factories
from tests.fixtures_api import bearer
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = "/api/rag-tools/office/answer"
BODY = {"question": "What about the office in Riga?"}
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
def office(settings, tmp_path, transactional_db) -> None:
    settings.MEDIA_ROOT = tmp_path
    ensure_default_prompts()
    source = factories.source("office")
    factories.push(source, opening="The office in Riga opens at nine.", pay="The office in Riga pays its people well.")
    Document.objects.filter(remote_id="pay").update(groups=["hr"])
    RagTool.objects.create_live(slug="office", name="Office", settings={"sources": [source], "minimum_score": 0})


def signed_in(**person: Any) -> dict[str, str]:
    """The headers of a browser in which this person is signed in."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("anna@example.com", "secret", **person))
    browser.get("/schema/swagger")
    cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return {"Cookie": cookie, "X-CSRFToken": cookies["csrftoken"], "Referer": "http://testserver/"}


async def found(client, headers: dict[str, str], **more: Any) -> set[str]:
    response = await client.post(ANSWER, json={**BODY, **more}, headers={**headers, **EVENTS})
    assert response.status_code == 200, response.text
    name, _, data = response.text.strip().rpartition("event: ")[2].partition("\ndata: ")
    assert name == "completed"
    return {passage["document"]["remote_id"] for passage in json.loads(data)["passages"]}


async def test_a_key_finds_what_its_groups_may_find(office, anonymous, issue_key) -> None:
    sales = bearer(await in_database(issue_key, "rag-tools:run", document_groups=["sales"]))
    people = bearer(await in_database(issue_key, "rag-tools:run", name="HR", document_groups=["hr"]))

    assert await found(anonymous, sales) == {"opening"}
    assert await found(anonymous, people) == {"opening", "pay"}


async def test_whom_a_caller_names_finds_no_more_than_that_person_may(office, api) -> None:
    assert await found(api, {}) == {"opening", "pay"}
    assert await found(api, {}, user={"person": "anna@example.com"}) == {"opening"}
    assert await found(api, {}, user={"person": "anna@example.com", "groups": ["HR"]}) == {"opening", "pay"}


async def test_who_is_signed_in_finds_what_they_may_find(office, anonymous) -> None:
    headers = await in_database(signed_in)

    assert await found(anonymous, headers) == {"opening", "pay"}
    assert await found(anonymous, headers, user={"person": "otto@example.com"}) == {"opening"}
