"""Filters over the API: what can be named is asked for, mapped, and explained; no filter is too large to be refused."""

from __future__ import annotations

import json

import pytest

from magnet.database import in_database
from tests import factories
from tests.fixtures_api import bearer
from tests.knowledge.chunks import Page, make_source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]
PATH = "/api/knowledge-sources/offers"

OFFERS = [
    Page("1", "Offer one", metadata={"country": "LV", "signed": "2024-05-31"}),
    Page("2", "Offer two", metadata={"country": "EE", "signed": "2025-05-31"}),
]


@pytest.fixture
def offers():
    return make_source("offers", OFFERS)


@pytest.mark.usefixtures("offers")
async def test_the_fields_of_a_source_are_listed_with_types_and_examples(api):
    said = (await api.get(f"{PATH}/fields")).json()

    assert said["fields"] == [
        {"name": "country", "type": "text", "examples": ["EE", "LV"]},
        {"name": "signed", "type": "date", "examples": ["2024-05-31", "2025-05-31"]},
    ]
    assert "remote_id" in said["of_documents"]
    assert (await api.get("/api/knowledge-sources/nobody/fields")).status_code == 404


@pytest.mark.usefixtures("offers")
async def test_a_filter_that_fits_tells_how_many_documents_it_leaves_and_one_that_does_not_what_would(api):
    found = await api.post(f"{PATH}/search", json={"query": "offer", "filter": {"signed": {"gte": "2025"}}})
    assert found.json()["documents_in_scope"] == 1

    refused = await api.post(f"{PATH}/search", json={"query": "offer", "filter": {"contry": "LV"}})

    assert refused.status_code == 422
    assert "There are country (text), signed (date)" in refused.json()["detail"]
    assert refused.json()["allowed"] == [{"name": "country", "type": "text"}, {"name": "signed", "type": "date"}]


@pytest.mark.usefixtures("offers")
@pytest.mark.parametrize(
    "filter",
    [
        '{"not":' * 10_000 + '{"country": "LV"}' + "}" * 10_000,
        json.dumps({"country": {"in": [str(n) for n in range(50_000)]}}),
        '{"or": [' * 10_000 + '{"country": "LV"}' + "]}" * 10_000,
    ],
    ids=["ten thousand levels", "fifty thousand values", "ten thousand lists"],
)
async def test_a_filter_of_any_size_is_refused_clearly(api, filter):
    body = f'{{"query": "offer", "filter": {filter}}}'

    refused = await api.post(f"{PATH}/search", content=body, headers={"Content-Type": "application/json"})

    assert refused.status_code in (400, 422), refused.text
    assert refused.json()["detail"]
    assert len(refused.text) < 2_000


async def test_a_mapping_is_part_of_the_source(api):
    source = await in_database(factories.source, "offers")
    mapping = [{"name": "signed", "type": "date"}, {"name": "land", "from": "country", "type": "text"}]

    changed = await api.patch(PATH, json={"metadata_fields": mapping})

    assert changed.status_code == 200, changed.text
    assert changed.json()["metadata_fields"] == [
        {"name": "signed", "from": "signed", "type": "date"}, {"name": "land", "from": "country", "type": "text"}
    ]  # fmt: skip
    twice = await api.patch(PATH, json={"metadata_fields": [*mapping, mapping[0]]})
    assert twice.status_code == 422
    assert "named twice" in twice.text
    odd = await api.patch(PATH, json={"metadata_fields": [{"name": "x", "type": "colour"}]})
    assert (odd.status_code, "'text'" in odd.text) == (422, True)
    none = await api.patch(PATH, json={"metadata_fields": []})
    assert none.json()["metadata_fields"] == []
    assert source.slug == "offers"


@pytest.mark.usefixtures("offers")
async def test_a_key_that_may_only_search_learns_of_no_fields(anonymous, issue_key):
    key = await in_database(issue_key, "knowledge-sources:run")

    assert (await anonymous.get(f"{PATH}/fields", headers=bearer(key))).status_code == 403
