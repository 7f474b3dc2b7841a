"""Metadata becomes fields that can be compared: typed as somebody said, or as the source gives it."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from knowledge.metadata_fields import MetadataField, mapping_of, period, typed
from tests import factories


def read(value, type_):
    seen = typed({"Field": value}, (MetadataField(name="field", given_as="Field", type=type_),))
    return seen.fields.get("field"), [str(one) for one in seen.unfit]


@pytest.mark.parametrize(
    ("given", "type_", "seen"),
    [
        ("LV", "text", "LV"),
        (17, "text", "17"),
        (True, "text", "true"),
        (" 12 ", "number", 12),
        ("-1.5e3", "number", -1500.0),
        (3.25, "number", 3.25),
        ("Yes", "boolean", True),
        (0, "boolean", False),
        ("2024-05-31", "date", "2024-05-31"),
        ("31.5.2024", "date", "2024-05-31"),
        ("2024-05-31T10:00:00+02:00", "date", "2024-05-31T08:00:00Z"),
        ("2024-05-31 10:00", "date", "2024-05-31T10:00:00Z"),
        ("Fri, 31 May 2024 10:00:00 +0200", "date", "2024-05-31T08:00:00Z"),
        ("2024-05-31T10:00:00.999Z", "date", "2024-05-31T10:00:00Z"),
        ("red, green; blue", "list", ["red", "green", "blue"]),
        (["a", 2, True], "list", ["a", 2, True]),
        (5, "list", [5]),
    ],
)
def test_a_value_is_read_as_its_type(given, type_, seen):
    assert read(given, type_) == (seen, [])


@pytest.mark.parametrize(
    ("given", "type_", "said"),
    [
        (17, "date", "field: 17 is no date"),
        ("17", "date", "field: 17 is no date"),
        ("2024-02-30", "date", "field: 2024-02-30 is no date"),
        ("0001-01-01T00:00:00+14:00", "date", "field: 0001-01-01T00:00:00+14:00 is no date"),
        ("about 5", "number", "field: about 5 is no number"),
        ("1e999", "number", "field: 1e999 is no number"),
        (True, "number", "field: true is no number"),
        ("perhaps", "boolean", "field: perhaps is no boolean"),
        (["a"], "text", "field: ['a'] is no text"),
        ([{"a": 1}], "list", "field: [{'a': 1}] is no list"),
    ],
)
def test_a_value_that_does_not_fit_is_left_out_and_named(given, type_, said):
    assert read(given, type_) == (None, [said])


def test_what_the_source_does_not_say_is_no_misfit():
    assert [read(value, "date") for value in (None, "")] == [(None, []), (None, [])]


def test_without_a_mapping_all_metadata_is_seen_as_the_source_gives_it():
    metadata = {"country": "LV", "author": {"name": "Ada"}, "tags": ["a"]}

    assert typed(metadata, ()).fields == metadata


def test_a_name_with_dots_leads_into_objects_unless_it_is_a_name_itself():
    mapping = mapping_of([{"name": "who", "from": "author.name", "type": "text"}])

    assert typed({"author": {"name": "Ada"}}, mapping).fields == {"who": "Ada"}
    assert typed({"author.name": "Eve", "author": {"name": "Ada"}}, mapping).fields == {"who": "Eve"}
    assert typed({"author": "Ada"}, mapping).fields == {}


@pytest.mark.parametrize(
    ("named", "begins", "has_ended"),
    [
        ("2024", "2024-01-01", "2025-01-01"),
        ("2024-12", "2024-12-01", "2025-01-01"),
        ("2024-02-28", "2024-02-28", "2024-02-29"),
        ("2024-05-31T10:00:00Z", "2024-05-31T10:00:00", "2024-05-31T10:00:01"),
        ("2024-05-31T23:59:59Z", "2024-05-31T23:59:59", "2024-06-01"),
        ("9999", "9999-01-01", "99999"),
        ("9999-12-31", "9999-12-31", "99999"),
    ],
)
def test_a_year_a_month_and_a_day_begin_and_end(named, begins, has_ended):
    assert period(named) == (begins, has_ended)


@pytest.mark.parametrize("text", ["", "soon", "0000", "2024-13", "2024-05-32", "12345"])
def test_other_texts_are_no_period(text):
    assert period(text) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ([{"name": "a", "type": "colour"}], "Field 1 .type.: Use 'text', 'number'"),
        ([{"name": "a", "type": "text"}, {"type": "text"}], "Field 2 .name.: This is required"),
        ([{"name": "a", "type": "text"}, {"name": "a", "type": "date"}], "The field “a” is named twice"),
        ([{"name": "\0", "type": "text"}], "NUL"),
        ([{"name": "a", "type": "text", "as": "b"}], "There is no such field"),
        ({"name": "a"}, "Fields: Send a list"),
        ([{"name": str(n), "type": "text"} for n in range(101)], "at most 100"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_in_a_sentence(mapping, says):
    source = factories.source()
    source.metadata_fields = mapping

    with pytest.raises(ValidationError, match=says):
        source.full_clean()
