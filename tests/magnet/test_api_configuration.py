"""Providers, models, prompt templates and traces over the API."""

from __future__ import annotations

import asyncio

import pytest

from magnet import tracing
from magnet.database import in_database
from magnet.default_prompts import DEFAULT_PROMPTS, ensure_default_prompts
from magnet.models import AuditEntry, Provider
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


async def create(api, noun, **body):
    response = await api.post(f"/api/{noun}", json=body)
    assert response.status_code == 201, response.text
    assert response.headers["Location"] == f"/api/{noun}/{response.json()['slug']}"
    return response.json()


async def test_the_dimensions_of_a_model_stay_once_documents_are_indexed_with_it(api):
    model = await in_database(factories.local_embedding)
    source = await in_database(factories.source)
    free = await api.patch(f"/api/models/{model.slug}", json={"dimensions": model.dimensions})
    assert free.status_code == 200, free.text
    await in_database(lambda: factories.push(source, bees="Bees make honey."))

    refused = await api.patch(f"/api/models/{model.slug}", json={"dimensions": 8, "name": "Other"})

    assert refused.status_code == 422
    assert "dimensions" in refused.json()["errors"]
    assert (await api.patch(f"/api/models/{model.slug}", json={"name": "Other"})).status_code == 200


# -- Providers -------------------------------------------------------------------------------------------------------


async def test_a_provider_from_its_name_to_its_end(api):
    made = await create(api, "providers", name="Our Cloud", kind="openai", api_key="sk-secret")
    assert (made["slug"], made["has_api_key"]) == ("our-cloud", True)
    assert "sk-secret" not in str(made)
    changed = await api.patch("/api/providers/our-cloud", json={"name": "Cloud", "timeout_seconds": 5})
    assert (changed.json()["name"], changed.json()["has_api_key"]) == ("Cloud", True)
    assert (await api.get("/api/providers", params={"search": "clou"})).json()["count"] == 1
    assert (await api.delete("/api/providers/our-cloud")).status_code == 204
    assert (await api.get("/api/providers/our-cloud")).status_code == 404
    verbs = await in_database(lambda: list(AuditEntry.objects.order_by("created_at").values_list("verb", flat=True)))
    assert verbs == ["created", "changed", "deleted"]


async def test_a_second_one_of_the_same_name_gets_a_slug_of_its_own(api):
    await create(api, "providers", name="Cloud", kind="local")
    assert (await create(api, "providers", name="Cloud", kind="local"))["slug"] == "cloud-2"
    taken = await api.post("/api/providers", json={"name": "X", "slug": "cloud", "kind": "local"})
    assert taken.status_code == 409


@pytest.mark.parametrize(
    ("noun", "fields"),
    [
        ("providers", {"kind": "local"}),
        ("knowledge-sources", {}),
        ("prompt-templates", {"prompt": "{question} {passages}"}),
    ],
)
async def test_many_of_one_name_at_once_get_a_slug_each(api, noun, fields):
    await in_database(factories.local_embedding)
    made = await asyncio.gather(*[api.post(f"/api/{noun}", json={"name": "Twin", **fields}) for _ in range(8)])
    assert [response.status_code for response in made] == [201] * 8, [response.text for response in made]
    assert len({response.json()["slug"] for response in made}) == 8
    same = await asyncio.gather(
        *[api.post(f"/api/{noun}", json={"name": "X", "slug": "one", **fields}) for _ in range(8)]
    )
    assert sorted(response.status_code for response in same) == [201] + [409] * 7
    assert "“one” already" in next(response.json()["detail"] for response in same if response.status_code == 409)


async def test_a_new_address_forgets_the_key(api):
    await create(api, "providers", name="Cloud", kind="openai", api_key="sk-secret", base_url="https://a.example/v1")
    moved = await api.patch("/api/providers/cloud", json={"base_url": "https://evil.example/v1"})
    assert moved.json()["has_api_key"] is False
    with_key = {"base_url": "https://b.example/v1", "api_key": "sk-other"}
    assert (await api.patch("/api/providers/cloud", json=with_key)).json()["has_api_key"] is True
    assert await in_database(lambda: Provider.objects.get().api_key) == "sk-other"


async def test_a_provider_in_use_stays_and_says_by_what(api):
    await create(api, "providers", name="Cloud", kind="openai")
    await create(api, "models", name="Big", provider="cloud", model_name="big", purpose="chat")
    refused = await api.delete("/api/providers/cloud")
    assert refused.status_code == 409
    assert refused.json()["code"] == "still_in_use"
    assert refused.json()["used_by"] == [{"kind": "model", "name": "Big", "slug": "big"}]


async def test_a_connection_is_tested_for_real(api, fake_openai):
    body = {"name": "Cloud", "kind": "openai", "api_key": "sk-test", "base_url": fake_openai.base_url}
    await create(api, "providers", **body)
    good = await api.post("/api/providers/cloud/test")
    assert good.status_code == 200, good.text
    assert "gpt-fake" in good.json()["models"]
    await api.patch("/api/providers/cloud", json={"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-test"})
    bad = await api.post("/api/providers/cloud/test")
    assert (bad.status_code, bad.headers["Content-Type"]) == (502, "application/problem+json")


async def test_kinds_and_options_are_checked(api):
    unknown = await api.post("/api/providers", json={"name": "X", "kind": "oracle"})
    assert "local" in unknown.json()["errors"]["kind"][0]
    options = await api.post("/api/providers", json={"name": "X", "kind": "openai", "options": {"colour": "red"}})
    assert list(options.json()["errors"]) == ["options.colour"]


# -- Models --------------------------------------------------------------------------------------------------------


async def test_a_model_with_prices_becomes_the_default(api):
    await create(api, "providers", name="Cloud", kind="openai")
    body = {"provider": "cloud", "purpose": "chat", "model_name": "m"}
    await create(api, "models", name="Small", **body, input_price="0.15", output_price="0.6")
    big = await create(api, "models", name="Big", **body, fallback="small")
    assert (big["fallback"], big["input_price"], big["is_default"]) == ("small", "0", False)
    assert (await api.post("/api/models/small/make-default")).json()["is_default"] is True
    assert (await api.post("/api/models/big/make-default")).json()["is_default"] is True
    small = (await api.get("/api/models/small")).json()
    assert (small["is_default"], small["input_price"], small["output_price"]) == (False, "0.15", "0.6")


async def test_references_that_lead_nowhere_are_named(api):
    body = {"name": "Big", "provider": "nobody", "purpose": "chat", "model_name": "m"}
    refused = await api.post("/api/models", json=body)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["provider"])


# -- Prompt templates ------------------------------------------------------------------------------------------------


async def test_a_draft_is_changed_published_and_undone(api):
    made = await create(api, "prompt-templates", name="Polite", prompt="{passages} {question}", tags=["tone"])
    assert (made["live"]["version"], made["draft"], made["tags"]) == (1, None, ["tone"])
    path = "/api/prompt-templates/polite"
    changed = (await api.patch(path, json={"instructions": "Be kind.", "temperature": 0.2})).json()
    assert (changed["live"]["settings"]["instructions"], changed["draft"]["version"]) == ("", 2)
    published = (await api.post(f"{path}/publish", json={"note": "Kinder"})).json()
    assert (published["from_version"], published["live_version"], published["note"]) == (1, 2, "Kinder")
    assert (await api.post(f"{path}/undo")).json()["live_version"] == 1
    assert (await api.post(f"{path}/publish", json={"version": 2})).json()["live_version"] == 2
    versions = (await api.get(f"{path}/versions")).json()
    assert [version["version"] for version in versions["items"]] == [2, 1]
    assert (await api.get(f"{path}/versions/1")).json()["settings"]["instructions"] == ""
    assert (await api.get(f"{path}/versions/99999999999")).status_code == 404
    assert (await api.post(f"{path}/publish")).status_code == 409


async def test_of_two_who_change_the_same_draft_the_slower_one_is_told(api):
    made = await create(api, "prompt-templates", name="Polite", prompt="{question}")
    path, seen = "/api/prompt-templates/polite", {"If-Match": f'"{made["revision"]}"'}
    assert (await api.get(path)).headers["ETag"] == '"1"'
    first = await api.patch(path, json={"instructions": "A"}, headers=seen)
    second = await api.patch(path, json={"instructions": "B"}, headers=seen)
    assert (first.status_code, second.status_code) == (200, 409)
    third = await api.patch(path, json={"instructions": "B", "revision": first.json()["revision"]})
    assert third.status_code == 200
    assert (await api.patch(path, json={"instructions": "C"}, headers={"If-Match": "three"})).status_code == 422


async def test_settings_that_do_not_fit_are_named(api):
    await create(api, "prompt-templates", name="Polite", prompt="{question}")
    refused = await api.patch("/api/prompt-templates/polite", json={"temperature": 3})
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["temperature"])
    missing = await api.post("/api/prompt-templates", json={"name": "Empty", "prompt": ""})
    assert list(missing.json()["errors"]) == ["prompt"]


async def test_lists_ask_as_often_for_many_as_for_few(api, django_assert_max_num_queries):
    await in_database(ensure_default_prompts)
    for number in range(12):
        await create(api, "prompt-templates", name=f"T {number}", prompt="{question}", tags=[f"n{number % 2}"])
    part = (await api.get("/api/prompt-templates", params={"tag": "n1", "limit": 4, "ordering": "-name"})).json()
    assert (part["count"], [row["name"] for row in part["items"]]) == (6, ["T 9", "T 7", "T 5", "T 3"])

    def ask_for_everything():
        from magnet.api.prompt_templates import rows, show

        with django_assert_max_num_queries(2):
            assert len([show(row) for row in rows()]) == 12 + len(DEFAULT_PROMPTS)

    await in_database(ask_for_everything)


# -- Traces ----------------------------------------------------------------------------------------------------------


async def test_a_trace_is_found_with_its_steps(api):
    def happen():
        with (
            tracing.trace(feature="rag_tool", slug="office", summary="Why?") as trace,
            tracing.span("retrieve", kind="retrieval") as step,
        ):
            step.keep(input={"query": "Why?"}, output={"passages": []})
        tracing.flush()
        return trace.id

    trace_id = await in_database(happen)
    listed = (await api.get("/api/traces", params={"feature": "rag_tool", "search": "why"})).json()
    assert [row["id"] for row in listed["items"]] == [str(trace_id)]
    detail = (await api.get(f"/api/traces/{trace_id}")).json()
    assert (detail["summary"], detail["cost"]) == ("Why?", "0")
    assert [(step["name"], step["input"]) for step in detail["spans"]] == [("retrieve", {"query": "Why?"})]
    assert (await api.get("/api/traces/00000000-0000-0000-0000-000000000000")).status_code == 404
    assert (await api.get("/api/traces/not-an-id")).status_code == 422
