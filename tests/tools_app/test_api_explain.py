"""“Why not this document?” over the API and on the pages of the admin: rights, odd input, and what it costs."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.urls import reverse

from knowledge.models import Document
from magnet import groups, tracing
from magnet.database import in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.models import Trace
from tests import factories
from tests.fixtures_admin import HOSTILE
from tests.fixtures_api import bearer
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def source(settings, tmp_path, transactional_db):
    settings.MEDIA_ROOT = tmp_path
    ensure_default_prompts()
    made = factories.source("office")
    factories.push(made, opening="The office in Riga opens at nine.", pets="Dogs are welcome on Fridays.")
    RagTool.objects.create_live(slug="ask", name="Ask", settings={"sources": [made], "minimum_score": 0})
    return made


async def asked(api) -> str:
    response = await api.post("/api/rag-tools/ask/answer", json={"question": "When does the office in Riga open?"})
    assert response.status_code == 200, response.text
    await in_database(tracing.flush)
    return response.json()["trace_id"]


async def explained(api, trace_id, document, **headers):
    return await api.post(f"/api/traces/{trace_id}/explain", json={"document": document}, headers=headers)


async def test_names_the_stage_the_reason_and_the_setting(api, source) -> None:
    told = (await explained(api, await asked(api), "pets")).json()

    assert told["stage"] == "not_cited"
    assert told["reason"].startswith("In the prompt as passage ")
    assert (told["setting"], told["setting_url"]) == ("language_model", "/admin/magnet/provider/")
    assert (told["next_setting"], told["next_setting_url"]) == ("", "")
    assert told["document"]["remote_id"] == "pets"
    assert [step["label"] for step in told["funnel"]][:2] == ["in the sources", "weighed"]


async def test_needs_the_right_to_read_traces_and_titles_need_that_to_read_sources(
    api, anonymous, issue_key, source
) -> None:
    trace_id = await asked(api)
    path = f"/api/traces/{trace_id}/documents?search=pet"
    assert [row["remote_id"] for row in (await api.get(path)).json()] == ["pets"]
    runs = bearer(await in_database(issue_key, "rag-tools:run"))
    reads = bearer(await in_database(issue_key, "traces:read", name="Reader"))

    assert (await explained(anonymous, trace_id, "pets", **runs)).status_code == 403
    assert (await anonymous.get(path, headers=reads)).status_code == 403
    told = (await explained(anonymous, trace_id, "pets and cats", **reads)).json()
    assert (told["stage"], told["documents"]) == ("never_synced", [])
    part = (await explained(anonymous, trace_id, "pet", **reads)).json()
    assert (part["stage"], part["document"]) == ("never_synced", None)
    assert (await explained(api, trace_id, "pet")).json()["document"]["remote_id"] == "pets"
    assert (await explained(anonymous, uuid4(), "pets", **reads)).status_code == 404
    assert (await explained(anonymous, trace_id, "pets", Authorization="")).status_code == 401


async def test_a_restricted_document_is_unknown_to_who_may_not_find_it(api, anonymous, issue_key, source) -> None:
    trace_id = await asked(api)

    def restrict() -> None:
        factories.push(source, salary="What people earn in Riga.")
        Document.objects.filter(remote_id="salary").update(groups=["hr"])

    await in_database(restrict)
    scopes = ("traces:read", "knowledge-sources:read")
    mine = bearer(await in_database(issue_key, *scopes, name="Sales", document_groups=["sales"]))

    hidden = (await explained(anonymous, trace_id, "salary", **mine)).json()
    made_up = (await explained(anonymous, trace_id, "no such thing", **mine)).json()
    suggested = await anonymous.get(f"/api/traces/{trace_id}/documents?search=sal", headers=mine)

    assert hidden == made_up
    assert suggested.json() == []
    assert (await explained(api, trace_id, "salary")).json()["stage"] == "synced_after"


@pytest.mark.parametrize(
    "body",
    [{}, {"document": ""}, {"document": " "}, {"document": "x" * 4_001}, {"document": 7}, {"document": "a", "b": 1}],
)
async def test_what_names_no_document_is_refused(api, source, body) -> None:
    response = await api.post(f"/api/traces/{await asked(api)}/explain", json=body)
    assert response.status_code == 422


async def test_asking_costs_few_statements(api, source, django_assert_max_num_queries) -> None:
    from tools_app import explain

    trace_id = await asked(api)

    def counted() -> None:
        with django_assert_max_num_queries(12):
            explain._opened(UUID(trace_id), "pets")

    await in_database(counted)


def test_the_page_of_a_trace_has_the_box_where_sources_were_searched(owner, source, client) -> None:
    searched = Trace.objects.create(feature="rag_tool", started_at=source.created_at)
    searched.spans.create(name="retrieve", kind="retrieval", started_at=source.created_at)
    other = Trace.objects.create(feature="sync", summary=HOSTILE, started_at=source.created_at)

    def shown(trace):
        return owner.get(reverse("admin:magnet_trace_change", args=[trace.pk])).content.decode()

    assert f'data-trace="{searched.pk}"' in shown(searched)
    assert "data-why-not" not in shown(other)


def test_beside_try_it_the_box_is_there_for_those_who_may_read_traces(owner, member, source) -> None:
    groups.seed()
    page = reverse("admin:tools_app_ragtool_change", args=[RagTool.objects.get().pk])

    assert "data-why-not" in owner.get(page).content.decode()
    assert "data-why-not" not in member("Viewer").get(page).content.decode()


async def test_the_page_of_a_document_names_the_answers_that_it_was_found_for(api, source, owner, member) -> None:
    trace_id = await asked(api)

    def shown(client) -> str:
        page = reverse("admin:knowledge_document_change", args=[Document.objects.get(remote_id="pets").pk])
        return client.get(page).content.decode()

    assert f"/admin/magnet/trace/{trace_id}/change/" in await in_database(shown, owner)
    assert trace_id not in await in_database(lambda: shown(member("Viewer")))
