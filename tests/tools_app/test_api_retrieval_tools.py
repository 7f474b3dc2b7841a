"""Retrieval tools over the API: made, changed in a draft, published and undone, searched with; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge.models import Document
from magnet.database import forget_configuration, in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.errors import InvalidInput
from magnet.models import PromptTemplate, User
from tests import factories
from tests.fixtures_api import bearer
from tools_app.kinds import KINDS

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/retrieval-tools/office"
DOCUMENTS = {
    "opening": "# Opening hours\n\nThe office in Riga opens at nine and closes at five.",
    "secret": "# Salaries\n\nThe office in Riga pays its people well.",
}


@pytest.fixture
async def office(api, settings, tmp_path) -> dict[str, Any]:
    def furnish() -> None:
        settings.MEDIA_ROOT = tmp_path
        ensure_default_prompts()
        factories.push(factories.source("office"), **DOCUMENTS)
        Document.objects.filter(remote_id="secret").update(groups=["hr"])

    await in_database(furnish)
    response = await api.post("/api/retrieval-tools", json={"name": "Office", "sources": ["office"]})
    assert response.status_code == 201, response.text
    return response.json()


async def search(api, query: str, **more: Any) -> Any:
    response = await api.post(f"{PATH}/search", json={"query": query, **more})
    assert response.status_code == 200, response.text
    return response.json()


def names(found: Any) -> list[str]:
    return [passage["document"]["remote_id"] for passage in found["passages"]]


async def test_a_tool_is_made_with_a_name_and_a_source_and_found_with_at_once(api, office):
    found = await search(api, "When does the office open?")

    assert names(found)[0] == "opening"
    assert found["version"] == 1
    assert [stage["name"] for stage in found["stages"]] == ["search", "minimum_score", "passages", "budget"]
    assert not found["rerank_failed"]


async def test_what_is_changed_counts_for_callers_from_its_publication_on_and_can_be_undone(api, office):
    changed = await api.patch(PATH, json={"passage_count": 1, "source_boosts": [{"source": "office", "factor": 2}]})
    assert changed.status_code == 200, changed.text
    assert changed.json()["draft"]["settings"]["source_boosts"] == [{"source": "office", "factor": 2.0}]
    question = "office in Riga"
    assert len((await search(api, question))["passages"]) == 2
    assert len((await search(api, question, version=2))["passages"]) == 1

    assert (await api.post(f"{PATH}/publish", json={})).status_code == 200
    forget_configuration()
    assert len((await search(api, question))["passages"]) == 1

    assert (await api.post(f"{PATH}/undo")).status_code == 200
    forget_configuration()
    assert len((await search(api, question))["passages"]) == 2
    versions = (await api.get(f"{PATH}/versions")).json()
    assert [each["version"] for each in versions["items"]] == [2, 1]


async def test_the_filter_of_the_caller_narrows_and_says_how_many_documents_are_left(api, office):
    found = await search(api, "office in Riga", filter={"remote_id": "opening"})

    assert names(found) == ["opening"]
    assert found["documents_in_scope"] == 1


async def test_a_filter_by_a_field_that_there_is_not_is_refused_with_those_there_are(api, office):
    response = await api.post(f"{PATH}/search", json={"query": "office", "filter": {"colour'); drop": "red"}})

    assert response.status_code == 422
    assert "remote_id" in response.json()["detail"]


async def test_who_asks_for_a_person_finds_what_that_person_may_find_and_never_more(api, office, issue_key):
    everybody = await search(api, "office in Riga", user={"person": "anna@example.com"})
    staff = await search(api, "office in Riga", user={"person": "eva@example.com", "groups": ["HR"]})
    api.headers.update(bearer(await in_database(issue_key, "retrieval-tools:run")))
    narrow = await search(api, "office in Riga", user={"person": "eva@example.com", "groups": ["HR"]})

    assert names(everybody) == ["opening"]
    assert sorted(names(staff)) == ["opening", "secret"]
    assert names(narrow) == ["opening"]


async def test_settings_that_do_not_fit_are_refused_by_name(api, office):
    for change, field in (
        ({"fixed_filter": {"a": {"like": "b"}}}, "fixed_filter"),
        ({"query_count": 9}, "query_count"),
        ({"neighbour_count": 50}, "neighbour_count"),
        ({"source_boosts": [{"source": "office", "factor": 0}]}, "source_boosts"),
    ):
        response = await api.patch(PATH, json=change)
        assert response.status_code == 422
        assert field in response.text


async def test_a_key_that_may_only_read_may_not_search(api, office, issue_key):
    api.headers.update(bearer(await in_database(issue_key, "retrieval-tools:read")))

    assert (await api.get(PATH)).status_code == 200
    assert (await api.post(f"{PATH}/search", json={"query": "office"})).status_code == 403


async def test_a_model_may_call_it_and_reads_the_passages(office):
    tool = await KINDS["retrieval"].load("office")

    result = await tool.run({"query": "When does the office open?"})

    assert tool.description().arguments["required"] == ["query"]
    assert "opens at nine" in result.text
    with pytest.raises(InvalidInput, match="`query` is missing"):
        await tool.run({})


# -- The same for RAG tools --------------------------------------------------------------------------------------------


@pytest.fixture
async def rag_tool(api, office) -> str:
    response = await api.post("/api/rag-tools", json={"name": "Ask", "sources": ["office"], "minimum_score": 0})
    assert response.status_code == 201, response.text
    return "/api/rag-tools/ask/answer"


async def test_a_rag_tool_takes_a_filter_a_person_and_a_history(api, rag_tool):
    body = {"question": "What about the office in Riga?", "history": [{"role": "user", "text": "Hello"}]}
    filtered = (await api.post(rag_tool, json={**body, "filter": {"remote_id": "secret"}})).json()
    anna = (await api.post(rag_tool, json={**body, "user": {"person": "anna@example.com"}})).json()

    assert names(filtered) == ["secret"]
    assert filtered["documents_in_scope"] == 1
    assert names(anna) == ["opening"]


async def test_variables_that_the_template_declares_come_with_the_question(api, rag_tool):
    def declare() -> None:
        template = PromptTemplate.objects.get(slug="rag-answer")
        said = "{passages} {question} Answer as a {style}."
        template.edit({"prompt": said, "variables": [{"name": "style", "description": "How."}]})
        template.publish()

    await in_database(declare)
    body = {"question": "When does the office open?"}

    given = await api.post(rag_tool, json={**body, "variables": {"style": "poem"}})
    missing = await api.post(rag_tool, json=body)
    own = await api.post(rag_tool, json={**body, "variables": {"style": "poem", "passages": "mine"}})

    assert given.status_code == 200, given.text
    assert missing.status_code == 422
    assert "style" in missing.json()["detail"]
    assert own.status_code == 422


async def test_a_fixed_filter_of_a_field_that_is_not_there_is_refused_when_it_is_saved(api, office):
    refused = await api.patch(PATH, json={"fixed_filter": {"counrty": "LV"}})

    assert refused.status_code == 422
    assert "counrty" in refused.json()["errors"]["fixed_filter"][0]
    assert "a filter can name remote_id" in refused.json()["detail"]
    # Nobody knows yet what a source without documents will carry.
    await in_database(factories.source, "wiki")
    allowed = await api.patch(PATH, json={"fixed_filter": {"counrty": "LV"}, "sources": ["wiki"]})
    assert allowed.status_code == 200, allowed.text


MARY = "mary@example.com"


@pytest.mark.parametrize(
    ("verified", "user", "found"),
    [
        (MARY, {"person": "Mary@Example.com"}, ["opening", "secret"]),
        # Nobody has proved the address.
        ("", {"person": MARY}, ["opening"]),
        # Whoever says which groups count has said all of them.
        (MARY, {"person": MARY, "groups": []}, ["opening"]),
        (MARY, {"person": "eve@example.com"}, ["opening"]),
        (MARY, {"person": "eve@example.com", "groups": ["hr"]}, ["opening", "secret"]),
    ],
)
async def test_a_known_person_brings_the_groups_that_magnet_knows(api, office, rag_tool, verified, user, found):
    await in_database(lambda: User.objects.create_user(MARY, document_groups=["hr"], verified_email=verified))

    answer = await api.post(rag_tool, json={"question": "What about the office in Riga?", "user": user})
    search = await api.post(f"{PATH}/search", json={"query": "What about the office in Riga?", "user": user})

    assert sorted(names(answer.json())) == sorted(names(search.json())) == found


async def test_a_person_never_widens_what_the_key_may_find(api, anonymous, issue_key, rag_tool):
    await in_database(lambda: User.objects.create_user(MARY, document_groups=["hr"], verified_email=MARY))
    anonymous.headers.update(bearer(await in_database(issue_key, "rag-tools:run")))

    for user in ({"person": MARY}, {"person": MARY, "groups": ["hr"]}):
        answer = await anonymous.post(rag_tool, json={"question": "What about the office in Riga?", "user": user})
        assert names(answer.json()) == ["opening"]
