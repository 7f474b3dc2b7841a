"""Knowledge sources over the API: configure, sync, search."""

from __future__ import annotations

import pytest

from knowledge.models import KnowledgeSource
from magnet import tracing
from magnet.database import in_database
from magnet.models import AIModel
from tests import factories
from tests.fixtures_api import bearer
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def embedding_model(transactional_db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "files"
    return factories.local_embedding()


async def test_a_source_needs_no_more_than_a_name(api):
    made = await api.post("/api/knowledge-sources", json={"name": "Help Centre"})
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == "/api/knowledge-sources/help-centre"
    said = made.json()
    assert (said["connector"], said["schedule"], said["documents"]) == ("upload", "manual", {})
    assert said["embedding_model"] == (await in_database(factories.local_embedding)).slug


async def test_what_the_connector_cannot_use_is_named(api, settings, tmp_path):
    settings.FOLDER_ROOTS = [tmp_path]
    unknown = await api.post("/api/knowledge-sources", json={"name": "X", "connector": "fax"})
    assert "website" in unknown.json()["errors"]["connector"][0]
    empty = await api.post("/api/knowledge-sources", json={"name": "X", "connector": "folder"})
    assert (empty.status_code, list(empty.json()["errors"])) == (422, ["config.path"])
    model = await api.post("/api/knowledge-sources", json={"name": "X", "embedding_model": "nobody"})
    assert list(model.json()["errors"]) == ["embedding_model"]
    cron = await api.post(
        "/api/knowledge-sources",
        json={
            "name": "X",
            "connector": "folder",
            "config": {"path": str(tmp_path)},
            "schedule": "cron",
            "cron": "often",
        },
    )
    assert (cron.status_code, "cron" in cron.json()["errors"]) == (422, True)


async def test_a_schedule_plans_the_next_sync(api, settings, tmp_path):
    settings.FOLDER_ROOTS = [tmp_path]
    body = {"name": "Docs", "connector": "folder", "config": {"path": str(tmp_path)}}
    assert (await api.post("/api/knowledge-sources", json=body)).json()["next_sync_at"] is None
    changed = await api.patch("/api/knowledge-sources/docs", json={"schedule": "daily", "tags": ["public"]})
    assert changed.status_code == 200, changed.text
    assert changed.json()["next_sync_at"].endswith("Z")
    assert changed.json()["tags"] == ["public"]
    assert (await api.get("/api/knowledge-sources", params={"tag": "public"})).json()["count"] == 1


async def test_a_source_in_use_stays_and_says_by_what(api):
    def prepare():
        source = factories.source("office")
        RagTool.objects.create_live(slug="ask", name="Ask the office", settings={"sources": [source]})

    await in_database(prepare)
    refused = await api.delete("/api/knowledge-sources/office")
    assert (refused.status_code, refused.json()["code"]) == (409, "still_in_use")
    assert refused.json()["used_by"] == [{"kind": "RAG tool", "name": "Ask the office", "slug": "ask"}]
    await api.delete("/api/rag-tools/ask")
    assert (await api.delete("/api/knowledge-sources/office")).status_code == 204
    assert not await in_database(KnowledgeSource.objects.exists)


async def test_another_embedding_model_for_indexed_documents_is_a_wish(api):
    def prepare():
        factories.push(factories.source("office"), a="Some text.")
        other = factories.local_embedding()
        other.pk, other.slug, other.name, other.is_default = None, "other", "Other", False
        other.save()

    await in_database(prepare)
    changed = await api.patch("/api/knowledge-sources/office", json={"embedding_model": "other"})
    assert (changed.status_code, changed.json()["needs_reindex"]) == (200, True)


async def test_another_chunker_comes_with_its_own_settings_or_its_defaults(api):
    body = {"name": "Office", "slug": "office", "chunker_config": {"max_tokens": 128, "overlap_tokens": 16}}
    assert (await api.post("/api/knowledge-sources", json=body)).status_code == 201

    refused = await api.patch(
        "/api/knowledge-sources/office", json={"chunker": "semantic", "chunker_config": {"overlap_tokens": 16}}
    )
    changed = await api.patch("/api/knowledge-sources/office", json={"chunker": "semantic"})

    assert refused.status_code == 422
    assert "chunker_config.overlap_tokens" in refused.json()["errors"]
    assert (changed.json()["chunker"], changed.json()["chunker_config"]) == ("semantic", {})


async def test_a_folder_that_the_operator_has_not_opened_is_refused(api, settings, tmp_path):
    settings.FOLDER_ROOTS = [tmp_path]
    body = {"name": "Secrets", "slug": "secrets", "connector": "folder", "config": {"path": "/etc"}}

    refused = await api.post("/api/knowledge-sources", json=body)

    assert refused.status_code == 422
    assert "The folder /etc is not below a folder that the operator has opened" in refused.text


# -- Syncs ---------------------------------------------------------------------------------------------------------


async def test_a_sync_is_started_once_and_followed(api, settings, tmp_path):
    settings.FOLDER_ROOTS = [tmp_path]
    await in_database(factories.folder_source, tmp_path, "docs")
    started = await api.post("/api/knowledge-sources/docs/sync")
    again = await api.post("/api/knowledge-sources/docs/sync")
    assert started.status_code == again.status_code == 202
    assert started.headers["Location"] == again.headers["Location"] == f"/api/sync-runs/{started.json()['id']}"
    run = (await api.get(started.headers["Location"])).json()
    assert (run["status"], run["is_finished"], run["trigger"], run["actor"]) == ("queued", False, "api", "A key")
    cancelled = await api.post(f"{started.headers['Location']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    assert (await api.post(f"{started.headers['Location']}/cancel")).status_code == 409
    assert (await api.post(f"{started.headers['Location']}/approve")).status_code == 409
    assert (await api.get("/api/sync-runs", params={"source": "docs", "status": "cancelled"})).json()["count"] == 1


async def test_a_finished_run_has_its_receipt(api, settings, tmp_path):
    settings.FOLDER_ROOTS = [tmp_path]
    (tmp_path / "a.md").write_text("# Pets\n\nDogs are welcome.")

    def prepare():
        return factories.sync_now(factories.folder_source(tmp_path, "docs")).pk

    run = (await api.get(f"/api/sync-runs/{await in_database(prepare)}")).json()
    assert (run["status"], run["is_finished"], run["progress"]["percent"]) == ("done", True, 100)
    assert (run["receipt"]["seen"], run["receipt"]["live"], run["added"]) == (1, 1, 1)


async def test_there_is_nothing_to_sync_where_documents_are_handed_in(api):
    await in_database(factories.source, "office")
    refused = await api.post("/api/knowledge-sources/office/sync")
    assert refused.status_code == 409
    assert "uploaded" in refused.json()["detail"]


# -- Search ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def office(embedding_model):
    source = factories.source("office")
    factories.push(
        source,
        opening="# Opening hours\n\nThe office in Riga opens at nine and closes at five.",
        parking="# Parking\n\nVisitors park their cars behind the building.",
    )
    return source


async def test_passages_are_found_with_their_document_and_scores(api, office):
    found = await api.post("/api/knowledge-sources/office/search", json={"query": "Where do I park?", "limit": 1})
    assert found.status_code == 200, found.text
    (passage,) = found.json()["passages"]
    assert set(passage["document"]) == {"id", "remote_id", "title", "url"}
    assert passage["document"]["remote_id"] == "parking"
    assert "behind the building" in passage["text"]
    assert {"heading", "page", "score", "semantic_score", "word_score", "start", "end"} <= set(passage)
    assert found.json()["documents_in_scope"] is None


async def test_a_search_leaves_a_trace_that_names_what_was_looked_for(api, office):
    await api.post("/api/knowledge-sources/office/search", json={"query": "parking"})
    await in_database(tracing.flush)

    (trace,) = (await api.get("/api/traces", params={"feature": "search"})).json()["items"]
    assert (trace["slug"], trace["summary"]) == ("office", "parking")


async def test_a_filter_that_fits_nothing_says_how_many_documents_it_left(api, office):
    body = {"query": "park", "filter": {"remote_id": "nobody"}}
    found = (await api.post("/api/knowledge-sources/office/search", json=body)).json()
    assert found == {"passages": [], "documents_in_scope": 0}
    bad = await api.post(
        "/api/knowledge-sources/office/search", json={"query": "park", "filter": {"year": {"sounds_like": 1}}}
    )
    assert bad.status_code == 422


async def test_a_search_has_its_limits_and_its_scope(api, anonymous, issue_key, office):
    path = "/api/knowledge-sources/office/search"
    long = await api.post(path, json={"query": "x" * 100_000})
    assert long.status_code == 422
    assert "20,000" in long.json()["errors"]["query"][0]
    assert (await api.post(path, json={"query": "x", "limit": 1000})).status_code == 422
    assert (await api.post(path, json={"query": "x", "mode": "magic"})).status_code == 422
    assert (await api.post("/api/knowledge-sources/nobody/search", json={"query": "x"})).status_code == 404
    key = await in_database(issue_key, "knowledge-sources:read")
    assert (await anonymous.post(path, json={"query": "x"}, headers=bearer(key))).status_code == 403


# -- Lines of context ------------------------------------------------------------------------------------------------


async def test_a_model_for_lines_of_context_is_chosen_priced_and_taken_away(api, fake_openai):
    def prepare():
        provider = factories.openai_provider(fake_openai.base_url)
        AIModel.objects.create(
            name="Writer", slug="writer", purpose="chat", model_name="gpt", provider=provider, input_price=1
        )
        factories.push(factories.source("office"), a="Some text.")

    await in_database(prepare)
    path = "/api/knowledge-sources/office"
    quoting = await api.patch(path, json={"context_model": "built-in-answers"})
    changed = await api.patch(path, json={"context_model": "writer"})
    expected = await api.post(f"{path}/reindex?dry_run=true")
    taken_away = await api.patch(path, json={"context_model": None})

    assert quoting.status_code == 422
    assert (changed.json()["context_model"], changed.json()["needs_reindex"]) == ("writer", True)
    assert expected.json()["context_tokens"]["least"] > 0
    assert float(expected.json()["cost"]["most"]) > 0
    assert (taken_away.json()["context_model"], taken_away.json()["needs_reindex"]) == (None, False)
    assert (await api.delete("/api/models/writer")).status_code == 204
