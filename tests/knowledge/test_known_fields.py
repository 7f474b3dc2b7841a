"""A filter may name what the documents searched carry, with values of its type; everything else is explained."""

from __future__ import annotations

import time

import pytest

from knowledge import filter_language, known_fields, retrieval
from knowledge.models import IndexedDocument, KnowledgeIndex
from magnet.callers import Caller, acting_as
from magnet.database import forget_configuration, in_database
from magnet.errors import InvalidInput, NotFound
from tests.knowledge.chunks import Page, add_pages, make_source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]

OFFERS = [
    Page("1", "Offer one", metadata={"country": "LV", "year": 2021, "signed": "2024-05-31", "tags": ["old", "fair"]}),
    Page("2", "Offer two", metadata={"country": "LV", "year": 2024, "signed": "2024-06-01T09:30:00Z", "open": True}),
    Page("3", "Offer three", metadata={"country": "EE", "year": 2024, "size": 5}),
    Page("4", "Offer four", metadata={"country": None, "size": "large"}),
]


@pytest.fixture
def offers():
    return make_source("offers", OFFERS)


async def left(filter, sources=("offers",)) -> set[str]:
    found = await retrieval.search("offer", sources=sources, limit=20, filter=filter)
    assert found.documents_in_scope == len(found.passages)
    return {passage.remote_id for passage in found.passages}


@pytest.mark.usefixtures("offers")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"country": "LV"}, {"1", "2"}),
        ({"signed": "2024"}, {"1", "2"}),
        ({"signed": "2024-06"}, {"2"}),
        ({"signed": "2024-06-01"}, {"2"}),
        ({"signed": "2024-06-01T11:30:00+02:00"}, {"2"}),
        ({"signed": {"lte": "2024-05-31"}}, {"1"}),
        ({"signed": {"gt": "2024-05"}}, {"2"}),
        ({"signed": {"in": ["2024-05-31", "2023"]}}, {"1"}),
        ({"signed": {"ne": "2024-05"}}, {"2", "3", "4"}),
        ({"tags": "fair"}, {"1"}),
        ({"tags": {"in": ["new", "old"]}}, {"1"}),
        ({"tags": {"contains": "old"}}, {"1"}),
        ({"size": 5}, {"3"}),
        ({"size": "large"}, {"4"}),
        ({"country": {"in": [f"C{n}" for n in range(50)] + ["EE"]}}, {"3"}),
        ({"open": {"exists": False}, "year": {"gte": 2022}}, {"3"}),
    ],
)
async def test_fields_are_compared_as_what_they_are(given, expected):
    assert await left(given) == expected


@pytest.mark.usefixtures("offers")
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"contry": "LV"}, "There is no field “contry” to filter by. There are country (text), year (number)"),
        ({"x' or true --": 1}, "There is no field “x' or true --”"),
        ({"metadata.title": "A"}, "There is no field “title” to filter by"),
        ({"year": "2024"}, "“year” is a number, so “eq” takes a number, not “2024”."),
        ({"year": {"gt": "a"}}, "“gt” takes a number, not “a”."),
        ({"year": {"contains": 2}}, "“year” is a number, which “contains” cannot compare."),
        ({"signed": "soon"}, "“signed” is a date, so “eq” takes a date such as 2024-05-31, not “soon”."),
        ({"signed": {"gte": 2024}}, "not “2024”"),
        ({"open": {"gt": 1}}, "“open” is true or false, which “gt” cannot compare"),
        ({"tags": {"lt": "a"}}, "“tags” is a list, which “lt” cannot compare"),
        ({"not": {"or": [{"country": True}]}}, "“country” is a text, so “eq” takes a text, not “true”."),
        ({"size": True}, "“size” is a number or a text"),
    ],
)
async def test_what_does_not_fit_is_explained_with_what_does(given, says):
    with pytest.raises(InvalidInput) as refused:
        await left(given)

    assert says in refused.value.detail
    assert "signed (date)" in refused.value.detail
    assert "remote_id, title, url, media_type and language" in refused.value.detail
    assert {"name": "tags", "type": "list"} in refused.value.extra["allowed"]


async def test_documents_without_metadata_can_be_filtered_by_what_they_all_have(offers):
    await in_database(make_source, "plain", ["Offer five"])

    with pytest.raises(InvalidInput, match="carry no metadata; a filter can name remote_id, title"):
        await left({"country": "LV"}, sources=["plain"])
    assert await left({"remote_id": "1"}, sources=["plain"]) == {"1"}
    assert await left({"country": "EE"}, sources=["plain", "offers"]) == {"3"}


async def test_a_source_without_any_document_refuses_no_filter():
    await in_database(make_source, "empty")

    assert await left({"country": "LV"}, sources=["empty"]) == set()


async def test_a_field_that_hardly_any_document_has_is_found_where_the_sample_knows_nothing_of_it(offers, monkeypatch):
    monkeypatch.setattr(known_fields, "SAMPLE", 1)
    rare = [Page(str(n), "Offer", metadata={"year": 2000}) for n in range(10, 14)]
    await in_database(add_pages, offers, rare)

    assert await left({"open": True}) == {"2"}
    assert await left({"size": "large"}) == {"4"}
    with pytest.raises(InvalidInput, match="no field “colour”"):
        await left({"colour": "red"})


async def test_mapped_fields_are_all_that_can_be_named(offers):
    def map_country():
        mapping = [{"name": "land", "from": "country", "type": "text"}]
        KnowledgeIndex.objects.update(metadata_fields=mapping)
        for entry in IndexedDocument.objects.select_related("document"):
            entry.fields = {"land": entry.document.metadata["country"]}
            entry.save(update_fields=["fields"])

    await in_database(map_country)
    forget_configuration()

    assert await left({"land": "EE"}) == {"3"}
    with pytest.raises(InvalidInput, match=r"There are land \(text\), and of each document"):
        await left({"year": 2024})


async def test_fields_are_described_with_types_and_frequent_values(offers):
    described = await in_database(known_fields.describe_fields, ["offers"])

    shown = {field.name: (field.type, field.examples) for field in described}
    assert shown["country"] == ("text", ("LV", "EE"))
    assert shown["signed"][0] == "date"
    assert shown["tags"] == ("list", ("fair", "old"))
    assert {field.name: field.types for field in described}["size"] == ("number", "text")
    with pytest.raises(NotFound, match="no knowledge source “nobody”"):
        await in_database(known_fields.describe_fields, ["nobody"])


async def test_whoever_may_not_find_every_document_is_shown_no_values_of_them(offers):
    with acting_as(Caller(groups=("staff",))):
        described = await in_database(known_fields.describe_fields, ["offers"])

    assert {field.examples for field in described} == {()}


def test_a_filter_of_any_size_is_refused_at_once():
    deep: dict = {"year": 1}
    for _ in range(10_000):
        deep = {"not": deep}
    began = time.process_time()

    for endless in (deep, {"a": {"in": list(range(50_000))}}, {"or": [{"a": n} for n in range(50_000)]}):
        with pytest.raises(InvalidInput, match=r"20 deep|more than 1000 values"):
            filter_language.parse(endless)

    # Generous: it is milliseconds, where reading all of it would take far longer.
    assert time.process_time() - began < 10
