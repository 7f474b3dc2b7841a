"""Retrieval tools in the admin: a draft with all settings of a search, compared in words, published, and tried."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from knowledge.uploads import PushedDocument
from magnet import tracing
from magnet.database import in_database
from magnet.models import AIModel, Trace
from tests import factories
from tests.tools_app.explaining import index
from tests.tools_app.retrieval_forms import retrieval_settings
from tools_app import searching as search
from tools_app.explanations import DROPPED, UNREAD_BY_RERANKER
from tools_app.models import RagTool, RetrievalTool

pytestmark = pytest.mark.django_db

LATVIA = {"country": "LV", "year": 2024, "signed": "2024-05-31", "is_public": True}
ESTONIA = {"country": "EE", "year": 2019, "signed": "2019-01-02", "is_public": False}


def url(tool: Any, route: str = "change") -> str:
    return reverse(f"admin:tools_app_{tool._meta.model_name}_{route}", args=[tool.pk])


@pytest.fixture
def contracts(db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    source = factories.source("contracts")
    documents = [("riga", "The lease in Riga costs 900 a month.", LATVIA), ("tartu", "The lease in Tartu.", ESTONIA)]
    index(source, [PushedDocument(remote_id=key, text=text, metadata=more) for key, text, more in documents])
    return source


@pytest.fixture
def tool(owner, contracts) -> RetrievalTool:
    add = reverse("admin:tools_app_retrievaltool_add")
    owner.post(add, {"name": "Contracts", "slug": "contracts", "sources": [contracts.pk]})
    made: RetrievalTool = RetrievalTool.objects.get()
    return made


def save(client: Client, tool: Any, **changes: Any) -> Any:
    tool.refresh_from_db()
    sent = {"name": tool.name, "description": "", "seen_revision": tool.revision}
    response = client.post(url(tool), {**sent, **retrieval_settings(tool.draft or tool.live, **changes)}, follow=True)
    tool.refresh_from_db()
    return response


def errors_of(response: Any) -> dict[str, Any]:
    return dict(response.context["adminform"].errors)


def row(field: str, comparison: str, value: str = "") -> dict[str, str]:
    return {"field": field, "comparison": comparison, "value": value}


def test_a_name_and_a_source_are_enough_and_it_can_be_tried_at_once(owner, tool):
    page = owner.get(url(tool)).content.decode()

    assert (tool.live.number, tool.live.source_slugs()) == (1, ["contracts"])
    assert 'data-url="/api/retrieval-tools/contracts/search"' in page
    listed = owner.get(reverse("admin:tools_app_retrievaltool_changelist")).content.decode()
    assert "Contracts" in listed
    assert 'href="/admin/tools_app/retrievaltool/"' in owner.get("/admin/").content.decode()


def test_saving_without_a_change_makes_no_draft(owner, tool):
    for stored in (
        {},
        {"year": {"gte": 2020, "lt": 2030}, "is_public": True},
        {"or": [{"year": 1}, {"country": "LV"}]},
    ):
        tool.edit({"fixed_filter": stored, "filter_fields": ["country"], "freshness_field": "signed"})
        tool.publish()

        response = save(owner, tool)

        assert not errors_of(response)
        assert tool.draft is None, stored
        assert tool.live.fixed_filter == stored


def test_a_filter_is_made_of_rows_with_the_types_of_the_fields(owner, tool):
    rows = [row("country", "in", "LV, LT"), row("year", "gte", "2020"), row("is_public", "eq", "yes")]

    save(owner, tool, fixed_filter=[*rows, row("owner", "missing")][:3])

    assert tool.draft.fixed_filter == {
        "and": [{"country": {"in": ["LV", "LT"]}}, {"year": {"gte": 2020}}, {"is_public": {"eq": True}}]
    }
    page = owner.get(url(tool)).content.decode()
    assert '<option value="country">text: EE, LV</option>' in page
    assert re.findall(r'data-telling-fields="(.*?)"', page) == ["fixed_filter"]


def test_a_field_that_no_document_has_is_said_when_it_is_saved(owner, tool):
    response = save(owner, tool, fixed_filter=[row("counrty", "eq", "LV")])

    said = errors_of(response)["fixed_filter"][0]
    assert said.startswith("There is no field “counrty” to filter by. There are ")
    page = response.content.decode()
    linked = re.search(r'class="errornote.*?href="#(.*?)">(.*?)</a>: (.*?)</li>', page, re.DOTALL)
    assert linked
    assert f' id="{linked[1]}"' in page
    assert linked[3].startswith("There is no field “counrty”")
    assert "country (text)" in said
    wrong = save(owner, tool, fixed_filter=[row("year", "gte", "many")])
    assert "“year” is a number" in errors_of(wrong)["fixed_filter"][0]
    assert tool.draft is None


def test_fields_of_a_source_without_documents_are_allowed_with_a_hint(owner, tool):
    empty = factories.source("wiki")

    response = save(owner, tool, sources=[empty.pk], fixed_filter=[row("team", "eq", "7")])

    assert "Nobody knows yet whether there is a field “team”: “Wiki” holds no documents." in response.content.decode()
    assert tool.draft.fixed_filter == {"team": {"eq": "7"}}
    # Once it is synced the number is a number, and saving the same rows again says so.
    index(empty, [PushedDocument(remote_id="a", text="Team seven", metadata={"team": 7})])
    save(owner, tool)
    assert tool.draft.fixed_filter == {"team": {"eq": 7}}


def test_a_filter_that_says_more_than_rows_is_shown_in_words_kept_and_replaced(owner, tool):
    rich = {"or": [{"country": "LV"}, {"not": {"year": {"lt": 2020}}}]}
    tool.edit({"fixed_filter": rich})

    page = owner.get(url(tool)).content.decode()
    assert "country is LV or not: (year is less than / before 2020)" in page
    save(owner, tool, passage_count=3)
    assert (tool.draft.fixed_filter, tool.draft.passage_count) == (rich, 3)

    save(owner, tool, **{"fixed_filter-remove": "1"})
    assert tool.draft.fixed_filter == {}


def test_every_setting_of_a_search_is_saved_and_compared_in_words(owner, tool, contracts):
    reranker = AIModel.objects.create(
        name="Second reader", slug="second", provider=factories.local_embedding().provider, model_name="r",
        purpose="rerank", can_stream=False,
    )  # fmt: skip
    changes = {
        "search_mode": "words", "fixed_filter": [row("country", "eq", "LV")], "filter_fields": ["country", "year"],
        "source_boosts": [{"source": "contracts", "factor": "2"}], "freshness_half_life_days": 30,
        "freshness_field": "signed", "most_per_document": 2, "rerank_model": reranker.pk, "rerank_candidates": 20,
        "neighbour_count": 1, "query_count": 2, "rewrites_question": "on",
    }  # fmt: skip

    response = save(owner, tool, **changes)

    assert not errors_of(response)
    found = {each.label: each.new for each in owner.get(url(tool, "publish")).context["differences"]}
    assert found == {
        "Search by": "Words only", "Only documents where": "country is LV",
        "Fields that a model may filter by": "country, year",
        "Sources that count more or less": "Contracts · Counts so many times as much: 2.0",
        "Half as much after (days)": "30", "By the date in": "signed", "At most of one document": "2",
        "Rerank with": "Second reader", "Passages it reads": "20", "What stands before and after": "1",
        "Wordings to search with": "2", "Make a whole question of it": "yes",
    }  # fmt: skip
    assert not [words for words in found.values() if re.search(r"[\[{]", words)]


def test_without_a_rerank_model_the_next_step_is_said(owner, tool):
    page = owner.get(url(tool)).content.decode()

    assert "There is no model for reranking yet." in page
    assert "/admin/magnet/aimodel/add/?purpose=rerank" in page
    assert 'name="rerank_candidates"' not in page


def test_a_viewer_reads_the_settings_in_words(owner, tool, member):
    tool.edit({"fixed_filter": {"or": [{"country": "LV"}, {"year": 2019}]}, "source_boosts": []})

    page = member("Viewer").get(url(tool)).content.decode()

    assert "country is LV or year is 2019" in page
    assert "{&#x27;or" not in page


@pytest.mark.parametrize("model", [RagTool, RetrievalTool])
def test_every_link_to_a_setting_leads_to_a_field(owner, contracts, model):
    AIModel.objects.create(
        name="R", slug="r", provider=factories.local_embedding().provider, model_name="r", purpose="rerank"
    )
    made = model.objects.create_live(settings={"sources": [contracts]}, name="Any", slug="any")
    linked = {setting for _said, setting in (*DROPPED.values(), UNREAD_BY_RERANKER)}
    linked |= {"sources", "search_mode", "passage_count", "fixed_filter"}
    linked |= {"prompt_template"} if model is RagTool else set()

    page = owner.get(url(made)).content.decode()

    assert {name for name in linked if f'id="id_{name}"' not in page} == set()


@pytest.mark.django_db(transaction=True)
async def test_a_try_shows_what_each_stage_dropped(searching, owner, tool):
    await in_database(tool.edit, {"passage_count": 1, "minimum_score": 0})
    found = await search.search(await search.load("contracts", version=2), "lease in Riga")
    await in_database(tracing.flush)

    told = await in_database(lambda: owner.get(url(tool, "dropped"), {"trace": found.trace_id}).json())
    assert [each["title"] for each in told["stages"]["search"]] == ["tartu"]
    assert told["counts"] == {"search": 1}

    page = await in_database(lambda: owner.get(reverse("admin:magnet_trace_change", args=[found.trace_id])))
    assert "Retrieval tool" in page.content.decode()
    assert f'href="{url(tool)}"' in page.content.decode()


def test_what_is_no_search_of_the_tool_has_dropped_nothing(owner, member, tool):
    other = Trace.objects.create(feature="rag_tool", slug="contracts", started_at=timezone.now())

    for trace in ("no id", other.pk):
        response = owner.get(url(tool, "dropped"), {"trace": trace}, headers={"Accept": "application/json"})
        assert response.status_code == 404
