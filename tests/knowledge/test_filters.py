"""Filters let through the documents they describe, and refuse everything else with a sentence that helps."""

from __future__ import annotations

import pytest
from django.db import connection

from knowledge import filters
from magnet.errors import InvalidInput
from tests.knowledge.chunks import Page, make_source

pytestmark = pytest.mark.django_db

PAGES = [
    Page(
        "sales/2021.md",
        "Offers",
        title="Offers",
        language="en",
        metadata={"department": "sales", "year": 2021, "tags": ["old", "price"], "approved": True},
        columns={"url": "https://wiki.example/offers", "media_type": "text/markdown"},
    ),
    Page(
        "sales/2024.md",
        "Angebote",
        title="Angebote",
        language="de",
        metadata={"department": "sales", "year": 2024, "date": "2024-05-31", "approved": None},
    ),
    Page("it/vpn.md", "VPN", title="VPN", metadata={"department": "it", "year": 2024.5, "a.b": "x", "title": "Net"}),
    Page("plain.txt", "Nothing is known about it."),
]


@pytest.fixture
def _documents():
    make_source("wiki", PAGES)


ENTRIES = """
select d.remote_id from knowledge_indexeddocument i join knowledge_document d on d.id = i.document_id where
"""


def fitting(given) -> set[str]:
    condition = filters.compile_filter(given)
    text = condition.sql.as_string(None)
    with connection.cursor() as cursor:
        cursor.execute(f"{ENTRIES} {text}", condition.values)
        return {remote_id for (remote_id,) in cursor.fetchall()}


EVERYTHING = {page.remote_id for page in PAGES}
SALES = {"sales/2021.md", "sales/2024.md"}


@pytest.mark.usefixtures("_documents")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, EVERYTHING),
        ({"department": "sales"}, SALES),
        ({"department": {"eq": "sales"}, "year": 2024}, {"sales/2024.md"}),
        ({"department": {"ne": "sales"}}, {"it/vpn.md", "plain.txt"}),
        ({"department": {"in": ["it", "law"]}}, {"it/vpn.md"}),
        ({"year": {"in": [2021, "2021", None]}}, {"sales/2021.md", "plain.txt"}),
        ({"year": {"gt": 2021, "lte": 2024}}, {"sales/2024.md"}),
        ({"year": {"gte": 2021}}, {"sales/2021.md", "sales/2024.md", "it/vpn.md"}),
        ({"year": {"lt": 2022.5}}, {"sales/2021.md"}),
        ({"year": {"gt": "2000"}}, set()),
        ({"date": {"gte": "2024-01-01", "lt": "2025"}}, {"sales/2024.md"}),
        ({"approved": True}, {"sales/2021.md"}),
        ({"approved": None}, EVERYTHING - {"sales/2021.md"}),
        ({"approved": {"exists": True}}, SALES),
        ({"department": {"exists": False}}, {"plain.txt"}),
        ({"tags": {"contains": "price"}}, {"sales/2021.md"}),
        ({"tags": {"contains": 5}}, set()),
        ({"department": {"contains": "ALE"}}, SALES),
        ({"a.b": "x"}, {"it/vpn.md"}),
        ({"metadata.a.b": "x"}, {"it/vpn.md"}),
        ({"title": "VPN"}, {"it/vpn.md"}),
        ({"metadata.title": "Net"}, {"it/vpn.md"}),
        ({"title": {"contains": "angeb"}}, {"sales/2024.md"}),
        ({"title": {"gte": "O", "lt": "P"}}, {"sales/2021.md"}),
        ({"remote_id": "it/vpn.md"}, {"it/vpn.md"}),
        ({"remote_id": {"in": ["it/vpn.md", "none"]}}, {"it/vpn.md"}),
        ({"remote_id": {"ne": "it/vpn.md"}}, EVERYTHING - {"it/vpn.md"}),
        ({"remote_id": {"contains": "sales/"}}, SALES),
        ({"language": "de"}, {"sales/2024.md"}),
        ({"media_type": {"exists": True}}, {"sales/2021.md"}),
        ({"url": {"exists": False}}, EVERYTHING - {"sales/2021.md"}),
        ({"or": [{"language": "de"}, {"department": "it"}]}, {"sales/2024.md", "it/vpn.md"}),
        ({"and": [{"department": "sales"}, {"year": {"gt": 2022}}]}, {"sales/2024.md"}),
        ({"not": {"department": "sales"}}, {"it/vpn.md", "plain.txt"}),
        ({"not": {"year": {"gt": 2022}}}, {"sales/2021.md", "plain.txt"}),
        ({"not": [{"department": "sales"}, {"year": 2021}]}, EVERYTHING - {"sales/2021.md"}),
        ({"or": [{"not": {"year": {"exists": True}}}, {"and": [{"year": 2021}]}]}, {"sales/2021.md", "plain.txt"}),
        ({"department": "sales' or true --"}, set()),
        ({"x') or true --": 1}, set()),
        ({"%(y)s %s": "%s"}, set()),
    ],
)
def test_lets_through_what_it_describes(given, expected):
    assert fitting(given) == expected


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "must be a JSON object"),
        ({"and": []}, "a list of filters that is not empty"),
        ({"or": "sales"}, "a list of filters that is not empty"),
        ({"and": ["sales"]}, "must be a JSON object"),
        ({"year": {"$gt": 5}}, "Use one of: eq, ne, in, gt, gte, lt, lte, exists, contains."),
        ({"year": {}}, "Use one of: eq"),
        ({"year": [1, 2]}, "takes a text, a number"),
        ({"year": {"in": 5}}, "takes a list"),
        ({"year": {"in": []}}, "takes a list"),
        ({"year": {"in": [[1]]}}, "takes a text, a number"),
        ({"year": {"gt": True}}, "takes a number or a text"),
        ({"year": {"gt": None}}, "takes a number or a text"),
        ({"year": {"exists": 1}}, "takes true or false"),
        ({"year": float("nan")}, "not a number that JSON knows"),
        ({"title": 5}, "takes a text"),
        ({"title": {"gt": 5}}, "takes a text"),
        ({"title": {"contains": 5}}, "takes a text"),
        ({"title": {"in": ["a", None]}}, "takes a text"),
        ({"": 1}, "1 to 200 characters"),
        ({"x" * 201: 1}, "1 to 200 characters"),
        ({"a\0": 1}, "1 to 200 characters"),
        ({"a": "\0"}, "no document can hold"),
        ({"a": "\ud800"}, "no document can hold"),
        ({"a": {"in": list(range(1001))}}, "more than 1000 values"),
    ],
)
def test_refuses_what_it_does_not_understand(given, says):
    with pytest.raises(InvalidInput, match=says.replace("$", r"\$")):
        filters.compile_filter(given)


def test_refuses_endless_nesting():
    given: dict = {"year": 1}
    for _ in range(25):
        given = {"not": given}

    with pytest.raises(InvalidInput, match="20 deep"):
        filters.compile_filter(given)


def test_lists_the_allowed_operators_for_programs():
    with pytest.raises(InvalidInput) as refused:
        filters.compile_filter({"year": {"near": 5}})

    assert "contains" in refused.value.extra["allowed"]
