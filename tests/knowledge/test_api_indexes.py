"""Re-indexing over the API: started, watched, compared, switched, undone."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge import reindex
from knowledge.models import KnowledgeIndex, KnowledgeSource
from magnet import tracing
from magnet.database import in_database
from tests import factories
from tests.fixtures_api import bearer
from tests.knowledge.reindexing import LONG, source_that_wants_small_chunks

pytestmark = pytest.mark.django_db(transaction=True)

SMALL = {"chunker_config": {"max_tokens": 40}}


@pytest.fixture(autouse=True)
def handbook(transactional_db, settings, tmp_path) -> KnowledgeSource:
    settings.MEDIA_ROOT = tmp_path / "files"
    source = factories.source()
    factories.push(source, bees=LONG, cows="Cows make milk.", hens="Hens lay eggs.")
    return source


async def build(api) -> str:
    """Start a re-index and carry it to its end; returns its address."""
    started = await api.post("/api/knowledge-sources/handbook/reindex", json=SMALL)
    assert started.status_code == 202, started.text
    index = await in_database(KnowledgeIndex.objects.get, pk=started.json()["id"])
    await in_database(reindex.run_to_end, index)
    return started.headers["Location"]


async def test_what_it_takes_is_told_before_and_nothing_is_started(api):
    answer = await api.post("/api/knowledge-sources/handbook/reindex?dry_run=true", json=SMALL)

    said = answer.json()
    assert (answer.status_code, said["documents"], said["is_large"]) == (200, 3, False)
    assert 0 <= said["tokens"]["least"] < said["tokens"]["most"]
    assert said["cost"] == {"least": "0", "most": "0"}
    assert (await api.get("/api/knowledge-sources/handbook/indexes")).json()["count"] == 1
    assert (await api.get("/api/knowledge-sources/handbook")).json()["needs_reindex"] is False


async def test_it_is_started_watched_switched_and_undone(api):
    address = await build(api)
    watched = (await api.get(address)).json()
    assert (watched["status"], watched["generation"], watched["progress"]["percent"]) == ("ready", 2, 100)
    assert watched["forecast"]["documents"] == 3
    assert (await api.get("/api/knowledge-sources/handbook")).json()["needs_reindex"] is True

    switched = await api.post(f"{address}/switch")
    assert (switched.status_code, switched.json()["status"]) == (200, "live")
    assert (await api.get("/api/knowledge-sources/handbook")).json()["needs_reindex"] is False

    both = (await api.get("/api/knowledge-sources/handbook/indexes")).json()["items"]
    assert [(each["generation"], each["status"]) for each in both] == [(2, "live"), (1, "retired")]
    assert both[1]["undo_until"] is not None

    undone = await api.post(f"{address}/undo")
    assert (undone.json()["generation"], undone.json()["status"]) == (1, "live")


async def test_the_embedding_model_of_a_source_with_documents_is_a_wish_until_then(api, fake_openai):
    def add_model() -> None:
        provider = factories.openai_provider(fake_openai.base_url)
        named = {"slug": "cloud-embed", "name": "Cloud embed", "model_name": "embed"}
        provider.models.create(purpose="embedding", dimensions=64, **named)

    await in_database(add_model)

    changed = await api.patch("/api/knowledge-sources/handbook", json={"embedding_model": "cloud-embed"})

    assert (changed.status_code, changed.json()["needs_reindex"]) == (200, True)
    (live,) = (await api.get("/api/knowledge-sources/handbook/indexes")).json()["items"]
    assert live["embedding_model"] != "cloud-embed"
    found = await api.post("/api/knowledge-sources/handbook/search", json={"query": "honey", "limit": 1})
    assert found.json()["passages"][0]["document"]["remote_id"] == "bees"


async def test_both_are_asked_the_same_and_the_verdicts_are_counted(api):
    address = await build(api)
    body = {"questions": [{"question": "Who makes honey?", "right_document": "bees"}], "real_questions": 0}

    answer = await api.post(f"{address}/compare", json=body)

    assert answer.status_code == 200, answer.text
    (asked,) = answer.json()["questions"]
    assert (asked["verdict"], asked["rank_before"], asked["rank_after"]) == ("same", 1, 1)
    assert asked["before"][0]["remote_id"] == "bees"
    assert answer.json()["counts"] == {"worse": 0, "better": 0, "changed": 0, "same": 1}


async def test_what_others_asked_is_for_whoever_may_see_traces(api, issue_key, anonymous):
    address = await build(api)
    await api.post("/api/knowledge-sources/handbook/search", json={"query": "May I see a doctor in secret?"})
    await in_database(tracing.flush)
    sees, searches = (("knowledge-sources:run", "traces:read"), ("knowledge-sources:run",))

    async def compare(scopes: tuple[str, ...], **body: Any) -> Any:
        key = await in_database(lambda: issue_key(*scopes))
        asked = {"questions": [{"question": "honey"}], **body}
        return await anonymous.post(f"{address}/compare", json=asked, headers=bearer(key))

    assert "in secret" in (await compare(sees)).text
    own = await compare(searches)
    assert (own.status_code, [each["question"] for each in own.json()["questions"]]) == (200, ["honey"])
    refused = await compare(searches, real_questions=5)
    assert (refused.status_code, refused.json()["scope"]) == (403, "traces:read")


async def test_it_can_be_paused_resumed_and_cancelled(api):
    started = await api.post("/api/knowledge-sources/handbook/reindex", json=SMALL)
    address = started.headers["Location"]

    assert (await api.post(f"{address}/pause")).json()["status"] == "paused"
    assert (await api.post(f"{address}/resume")).json()["status"] == "building"
    assert (await api.post(f"{address}/cancel")).json()["status"] == "cancelled"

    again = await api.post(f"{address}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert "not under construction" in again.json()["detail"]


@pytest.mark.parametrize("verb", ["switch", "undo", "compare"])
async def test_what_does_not_fit_the_moment_is_refused_in_a_sentence(api, verb):
    (live,) = (await api.get("/api/knowledge-sources/handbook/indexes")).json()["items"]

    refused = await api.post(f"/api/indexes/{live['id']}/{verb}", json={} if verb == "compare" else None)

    assert (refused.status_code, refused.headers["Content-Type"]) in (
        (409, "application/problem+json"),
        (422, "application/problem+json"),
    )
    assert refused.json()["detail"].endswith(".")


async def test_settings_that_do_not_fit_are_named_and_change_nothing(api):
    answer = await api.post("/api/knowledge-sources/handbook/reindex", json={"chunker": "scissors"})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["chunker"])

    same = await api.post("/api/knowledge-sources/handbook/reindex")
    assert (same.status_code, "serve already" in same.json()["detail"]) == (409, True)


async def test_a_refused_start_leaves_the_settings_as_they_were(api):
    await api.post("/api/knowledge-sources/handbook/reindex", json=SMALL)

    second = await api.post("/api/knowledge-sources/handbook/reindex", json={"chunker_config": {"max_tokens": 50}})

    assert second.status_code == 409
    assert (await api.get("/api/knowledge-sources/handbook")).json()["chunker_config"] == {"max_tokens": 40}


async def test_each_needs_its_scope_and_unknown_ones_are_not_found(anonymous, issue_key):
    reader = bearer(await in_database(issue_key, "knowledge-sources:read"))
    await in_database(source_that_wants_small_chunks, "other")

    assert (await anonymous.get("/api/indexes/1")).status_code == 401
    assert (await anonymous.post("/api/knowledge-sources/other/reindex", headers=reader)).status_code == 403
    for unknown in ("0", "999999", str(2**70)):
        assert (await anonymous.get(f"/api/indexes/{unknown}", headers=reader)).status_code == 404
