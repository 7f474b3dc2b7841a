"""Whatever stands in an OpenAPI document, an import makes tools or says in a sentence why not, and stays small."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnet import safe_yaml
from magnet.cleaning import storable
from magnet.errors import InvalidInput
from tools_app import api_imports, openapi
from tools_app.models import ApiServer

ORDER: dict[str, Any] = {
    "type": "object",
    "title": "An order",
    "required": ["number", "lines"],
    "properties": {
        "number": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "default": 1, "example": 7},
        "created": {"type": "string", "format": "date-time", "readOnly": True},
        "colour": {"type": "string", "enum": ["red", "blue"], "nullable": True, "pattern": "^[a-z]+$"},
        "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}, "maxItems": 5},
    },
    "additionalProperties": False,
}
LINE = {
    "allOf": [
        {"type": "object", "properties": {"article": {"type": "string"}}, "required": ["article"]},
        {"oneOf": [{"properties": {"again": {"$ref": "#/components/schemas/Line"}}}, {"type": "object"}]},
    ]
}
NEW: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://{host}/v1", "variables": {"host": {"default": "api.example"}}}],
    "components": {"schemas": {"Order": ORDER, "Line": LINE}},
    "paths": {
        "/orders/{number}": {
            "parameters": [{"name": "number", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "post": {
                "operationId": "change",
                "summary": "Change an order",
                "description": "All of it.",
                "tags": ["orders"],
                "deprecated": False,
                "parameters": [
                    {"name": "tags", "in": "query", "style": "form", "explode": False, "schema": {"type": "array"}},
                    {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
                    {"name": "X-Trace", "in": "header", "description": "Yours.", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                },
                "responses": {
                    "200": {"content": {"application/json": {"examples": {"one": {"value": {"number": 7}}}}}}
                },
            },
        }
    },
}
OLD: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Shop"},
    "host": "api.example",
    "basePath": "/v1",
    "schemes": ["https"],
    "consumes": ["application/json"],
    "definitions": {"Order": ORDER},
    "paths": {
        "/orders": {
            "post": {
                "operationId": "add",
                "consumes": ["application/json"],
                "parameters": [
                    {"name": "order", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Order"}},
                    {"name": "ids", "in": "query", "type": "array", "collectionFormat": "pipes", "items": {}},
                ],
                "responses": {"200": {"examples": {"application/json": {"number": 7}}}},
            },
            "put": {
                "operationId": "attach",
                "consumes": ["multipart/form-data"],
                "parameters": [{"name": "file", "in": "formData", "type": "file", "description": "A file."}],
            },
        }
    },
}
WRONG: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            *(None, True, 0, -1, 10**30, 1.5, "", "a\0b", "\ud800", "#/paths", "#", "http://[x", "/{", "{a}", "file"),
            *([], [[]], [{}], [None], {}, {"$ref": "#"}, {"$ref": "#/components/schemas/Line"}, {"a": {"b": 1}}),
        ]
    ),
    st.text(max_size=8),
    st.lists(
        st.one_of(st.none(), st.integers(), st.dictionaries(st.text(max_size=3), st.none(), max_size=2)), max_size=3
    ),
)


def places_of(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return (
        [path, *(place for key, part in pairs for place in places_of(part, (*path, key)))]
        if path
        else [place for key, part in pairs for place in places_of(part, (key,))]
    )


@st.composite
def spoilt(draw: Any) -> dict[str, Any]:
    """One of the two documents with one to three values of a wrong kind in it."""
    document = copy.deepcopy(draw(st.sampled_from([NEW, OLD])))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places_of(document)))
        node: Any = document
        for step in way:
            node = node[step]
        node[last] = copy.deepcopy(draw(WRONG))
    return document


def assert_is_a_sentence(refusal: InvalidInput) -> None:
    assert refusal.detail.endswith(".")
    assert len(refusal.detail) < 3_000


def read(document: dict[str, Any]) -> dict[str, Any]:
    return openapi.read(json.dumps(document).encode())


@settings(max_examples=400, deadline=None, derandomize=True)
@given(document=spoilt())
def test_values_of_wrong_kinds_make_a_call_or_are_refused_in_a_sentence(document):
    try:
        content = read(document)
        for outline in openapi.outlines(content):
            made = openapi.built(content, outline)
            kept = [made.arguments, made.places, made.example]
            assert storable(kept) == kept
            json.dumps(kept, allow_nan=False)
            assert openapi.base_url_of(content) == "" or openapi.base_url_of(content).startswith("http")
    except InvalidInput as refusal:
        assert_is_a_sentence(refusal)


@pytest.mark.django_db
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=spoilt())
def test_what_such_documents_say_can_be_stored(db, document):
    with transaction.atomic():
        shop = ApiServer.objects.create(name="Shop", slug="shop")
        try:
            kept = api_imports.keep(shop, json.dumps(document).encode())
            api_imports.apply(shop, kept.content)
            states = {step.state for step in api_imports.plan(shop, kept.content).steps}
            assert not states & {"new", "changed", "gone"}
        except InvalidInput as refusal:
            assert_is_a_sentence(refusal)
        transaction.set_rollback(True)


# -- Much of it ----------------------------------------------------------------------------------------------------


def posting(schema: Any, **more: Any) -> dict[str, Any]:
    operation = {"requestBody": {"content": {"application/json": {"schema": schema}}}, **more}
    return {"openapi": "3.1.0", "paths": {"/orders": {"post": operation}}}


def made_of(document: dict[str, Any]) -> openapi.Operation:
    return openapi.built(document, openapi.outlines(document)[0])


@pytest.mark.parametrize("keyword", ["title", "default", "example", "examples", "const", "enum", "format", "pattern"])
def test_texts_without_end_do_not_reach_the_model(keyword):
    endless: Any = "x" * 1_000_000
    field = {"type": "string", keyword: [endless] if keyword in ("enum", "examples") else endless}

    made = made_of(posting({"type": "object", "properties": {"colour": field}}))

    assert len(json.dumps(made.arguments)) < 1_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {f"{number}{'x' * 5_000}": {"type": "string"} for number in range(300)}},
        {"type": "object", "required": ["x" * 1_000_000], "properties": {"a": {"type": "string"}}},
        {"type": "array", "items": {"type": "object", "required": [str(n) * 9 for n in range(40_000)]}},
    ],
)
def test_names_without_end_are_refused_or_left_out(schema):
    try:
        made = json.dumps(made_of(posting(schema)).arguments)
    except InvalidInput as refusal:
        made = refusal.detail

    assert len(made) < 100_000


def test_a_call_with_thousands_of_arguments_is_refused():
    many = [{"name": f"a{number}", "in": "query", "schema": {}} for number in range(2_000)]

    with pytest.raises(InvalidInput, match="more than 500 arguments"):
        made_of(posting({}, parameters=many))


@pytest.mark.parametrize("text", ['{"openapi": "3.0.0", "x": NaN, "paths": {}}', '{"openapi": "3.0.0", "x": 1e999}'])
def test_numbers_that_are_none_are_refused(text):
    with pytest.raises(InvalidInput, match="number that nobody can read"):
        openapi.read(text.encode())
    with pytest.raises(InvalidInput, match="not finite"):
        safe_yaml.read("x: 1e999")


def test_operations_with_the_same_name_in_other_writings_are_all_there():
    calls = {"get": {"operationId": "a"}, "post": {"operationId": "a\0"}, "put": {"operationId": " a "}}
    plain = {"openapi": "3.1.0", "paths": {"/get/a": calls, "/x": {"get": {"operationId": "get-x"}, "put": {}}}}
    plain["paths"]["/y"] = {"get": {"operationId": "put-x"}}

    assert len({outline.id for outline in openapi.outlines(plain)}) == 6


def test_a_path_cannot_pretend_to_be_at_fault():
    document = {"openapi": "3.1.0", "paths": {"/x": {"get": {}, "fault": {"a": 1}}}}

    assert openapi.outlines(document)[0].fault == ""
