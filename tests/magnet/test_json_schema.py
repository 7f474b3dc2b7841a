"""Values are checked against JSON schemas in sentences, whatever schema or value comes from outside."""

from __future__ import annotations

from typing import Any

import pytest

from magnet.errors import InvalidInput
from magnet.json_schema import check_schema, faults

ORDER = {
    "type": "object",
    "properties": {
        "number": {"type": "integer", "maximum": 100},
        "lines": {"type": "array", "items": {"type": "object", "required": ["article"]}},
        "day": {"type": "string", "format": "date"},
    },
    "required": ["number"],
    "additionalProperties": False,
}


def nested(depth: int) -> list[Any]:
    outer: list[Any] = []
    inner = outer
    for _ in range(depth):
        inner.append([])
        inner = inner[0]
    return outer


def test_what_fits_has_no_faults():
    assert faults(ORDER, {"number": 7, "lines": [{"article": "A"}], "day": "2026-01-31"}) == []


def test_each_fault_is_a_sentence_that_names_its_place():
    found = faults(ORDER, {"lines": [{}], "day": "soon", "colour": "red"})

    assert "`number` is missing." in found
    assert "`lines.0.article` is missing." in found
    assert "There is no `colour`." in found
    assert '`day`: "soon" is not a "date".' in found


def test_a_fault_does_not_quote_a_whole_document():
    found = faults({"type": "integer"}, "a" * 100_000)

    assert len(found[0]) < 400


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ([], "is an object"),
        ({"type": "nope"}, "nope"),
        ({"pattern": "("}, "regex"),
        ({"$ref": "#/nowhere"}, "/nowhere"),
        ({"$schema": "http://127.0.0.1:1/mine"}, "127.0.0.1"),
        ({"not": {"enum": [object()]}}, "not JSON"),
    ],
)
def test_what_is_no_schema_is_refused_in_words(schema, said):
    with pytest.raises(InvalidInput, match=said):
        check_schema(schema)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/a.json", "file:///etc/passwd"])
def test_a_reference_is_never_fetched(address):
    with pytest.raises(InvalidInput, match="never fetched"):
        check_schema({"properties": {"a": {"$ref": address}}})


def test_a_schema_that_refers_to_itself_is_fine():
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}}, "required": ["name"]}

    assert faults(tree, {"name": "a", "left": {"name": "b"}}) == []
    assert faults(tree, {"name": "a", "left": {}}) == ["`left.name` is missing."]
    check_schema({"allOf": [{"$ref": "#"}]})


def test_a_pattern_that_would_run_for_ever_is_given_up():
    found = faults({"properties": {"a": {"pattern": "^(a+)+(?=x)$"}}}, {"a": "a" * 5_000 + "!"})

    assert len(found) == 1


def test_a_schema_or_value_that_is_nested_without_end_is_refused_instead_of_followed():
    with pytest.raises(InvalidInput, match="nested deeper"):
        check_schema({"enum": nested(100_000)})
    assert "nested deeper" in faults({"items": {"$ref": "#"}}, nested(100_000))[0]


def test_only_the_first_faults_of_thousands_are_told():
    assert len(faults({"items": {"type": "string"}}, list(range(10_000)))) == 20


@pytest.mark.parametrize("ref", ["#/$defs/a{}", "#/%24defs/a{}", "#a{}"])
def test_a_schema_whose_definitions_multiply_is_refused_instead_of_being_checked_for_ever(ref):
    doubled = {
        f"a{number}": {"$anchor": f"a{number}", "anyOf": [{"$ref": ref.format(number + 1)}] * 2} for number in range(40)
    }
    schema = {"$ref": ref.format(0), "$defs": {**doubled, "a40": {"$anchor": "a40", "type": "string"}}}

    with pytest.raises(InvalidInput, match="refer to each other too often"):
        check_schema(schema)


def test_a_schema_that_refers_to_itself_goes_as_deep_as_the_value():
    tree = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "additionalProperties": False}

    assert faults(tree, {"left": {"right": {}}}) == []
    assert faults(tree, {"left": {"right": {"up": 1}}}) == ["There is no `up` in `left.right`."]


ROOT = "http://a.example/root"


def chained(ref: str, *, own: dict[str, str] | None = None) -> dict[str, Any]:
    """Forty definitions, each of which refers twice to the next one; `own` is what each has beside."""
    named = own or {}
    links = {
        f"a{number}": {
            **{key: text.format(number) for key, text in named.items()},
            "anyOf": [{"$ref": ref.format(number + 1)}] * 2,
        }
        for number in range(40)
    }
    last = {**{key: text.format(40) for key, text in named.items()}, "type": "string"}
    return {"$ref": ref.format(0), "$defs": {**links, "a40": last}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$id": ROOT, **chained("a{}", own={"$id": "http://a.example/a{}"})},
        {"$id": ROOT, **chained("/deep/../a{}", own={"$id": "a{}"})},
        {"$id": ROOT, **chained("root#/$defs/a{}")},
        {"$id": ROOT, **chained(f"{ROOT}#/$defs/a{{}}")},
        {"$id": ROOT, **chained("#a{}", own={"$id": "#a{}"}), "$schema": "http://json-schema.org/draft-07/schema#"},
        {"id": ROOT, **chained("a{}", own={"id": "a{}"}), "$schema": "http://json-schema.org/draft-04/schema#"},
        {"$id": "tag:a.example,2026:root", **chained("a{}", own={"$id": "a{}"})},
        chained("json-schema:///#/$defs/a{}"),
        chained("./#/$defs/a{}"),
    ],
)
def test_definitions_multiply_under_whatever_address_they_refer_to_each_other(schema):
    with pytest.raises(InvalidInput, match=r"refer to each other too often|outside of the schema"):
        check_schema(schema)


def test_definitions_with_addresses_of_their_own_are_followed():
    line = {"$id": "line", "type": "object", "properties": {"price": {"$ref": "#/$defs/price"}}}
    line["$defs"] = {"price": {"type": "number"}}
    schema = {"$id": ROOT, "properties": {"line": {"$ref": "line"}}, "$defs": {"line": line}}

    assert faults(schema, {"line": {"price": 1}}) == []
    assert "`line.price`" in faults(schema, {"line": {"price": "much"}})[0]


def test_what_only_looks_like_a_reference_is_none():
    schema = {"const": {"$ref": "elsewhere"}, "default": {"$ref": "elsewhere"}}

    assert faults(schema, {"$ref": "elsewhere"}) == []
    assert faults({"properties": {"$ref": {"type": "string"}, "default": {"type": "integer"}}}, {"$ref": "a"}) == []


def deep(levels: int, *, end: Any = 1) -> Any:
    value = end
    for _ in range(levels):
        value = {"x": value}
    return value


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_a_schema_that_refers_to_itself_twice_for_the_same_part_is_not_followed_for_ever(keyword):
    twice = {"type": "object", "properties": {"x": {keyword: [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}
    schema = {"$defs": {"a": twice}, "$ref": "#/$defs/a"}

    assert "nested deeper" in faults(schema, deep(150))[0]
    assert "does not fit" in faults(schema, deep(17))[0]
    assert "object" in faults(schema, deep(2))[0] or "x" in faults(schema, deep(2))[0]


def test_a_tree_with_two_branches_may_be_deep():
    tree = {"properties": {"x": {"$ref": "#"}, "y": {"$ref": "#"}}, "type": "object"}

    assert faults(tree, deep(150, end={})) == []


def test_any_json_may_be_described():
    anything = {
        "$defs": {
            "json": {
                "anyOf": [
                    {"type": ["string", "number", "boolean", "null"]},
                    {"type": "array", "items": {"$ref": "#/$defs/json"}},
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/json"}},
                ]
            }
        },
        "$ref": "#/$defs/json",
    }

    assert faults(anything, deep(12)) == []
    assert faults(anything, deep(18)) == []
