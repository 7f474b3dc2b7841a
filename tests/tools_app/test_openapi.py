"""OpenAPI documents are read whatever they hold: versions, circles, bombs, missing and double names."""

from __future__ import annotations

import json

import pytest

from magnet.errors import InvalidInput, TooLarge
from magnet.json_schema import faults
from magnet.safe_yaml import MOST_PARTS
from tools_app import openapi
from tools_app.openapi import MAX_DOCUMENT_BYTES


def document(paths, *, version="3.0.3", **more):
    return {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}


def only(made):
    outline = openapi.outlines(made)[0]
    return openapi.built(made, outline)


def get(**operation):
    return {"get": {"operationId": "find", **operation}}


# -- Reading -------------------------------------------------------------------------------------------------------


def test_json_and_yaml_say_the_same():
    yaml = b"""
openapi: 3.1.0
info: {title: Shop, version: 1.0}
shared: &limit {name: limit, in: query, schema: {type: integer, default: 010, maximum: 1_0}}
paths:
  /orders:
    get:
      operationId: find
      parameters: [*limit]
      responses: {200: {description: "yes"}, default: {description: no}}
  /more:
    get:
      <<: {summary: Merged, deprecated: true}
      operationId: 2024-01-01
"""
    read = openapi.read(yaml)

    assert read["info"]["version"] == 1.0
    assert read["paths"]["/orders"]["get"]["responses"] == {
        "200": {"description": "yes"},
        "default": {"description": "no"},
    }
    assert read["paths"]["/more"]["get"] == {"summary": "Merged", "deprecated": True, "operationId": "2024-01-01"}
    assert openapi.read(json.dumps(read).encode()) == read


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{nope", "not valid JSON: .* line 1"),
        (b"a: [1", "not valid YAML: .* line 2"),
        (b"just words", "not an object"),
        (b"{}", "names no version"),
        (b'{"openapi": "2.9"}', "of version 2.9"),
        (b'{"swagger": "1.2"}', "of version 1.2"),
        (b'{"openapi": "3.0.0"}', "no `paths`"),
        (b"openapi: !!python/object/apply:os.system [ls]", "is never made"),
        (b"openapi: !secret x", "is never made"),
        (b"? [a]\n: 1", "as a key"),
        (b"a: *b", "alias"),
        (b"a: &a [*a]", "alias"),
        (b"[" * 5_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b"a: 'x\0'", "characters"),
    ],
)
def test_what_is_no_document_is_refused_in_words(content, said):
    with pytest.raises(InvalidInput, match=said):
        openapi.read(content)


def test_a_yaml_bomb_is_refused_before_it_grows():
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

    with pytest.raises(InvalidInput, match=f"more than {MOST_PARTS:,} parts"):
        openapi.read("\n".join(["openapi: 3.0.0", *lines]).encode())


def test_a_document_without_end_is_refused():
    with pytest.raises(TooLarge, match="20 MB"):
        openapi.read(b" " * (MAX_DOCUMENT_BYTES + 1))


@pytest.mark.parametrize(
    ("made", "found_at", "address"),
    [
        ({"servers": [{"url": "https://api.example.com/v1/"}]}, "", "https://api.example.com/v1"),
        ({"servers": [{"url": "/v1"}]}, "https://a.example.com/docs/openapi.json", "https://a.example.com/v1"),
        ({"servers": [{"url": "/v1"}]}, "", ""),
        (
            {"servers": [{"url": "https://{region}.example.com", "variables": {"region": {"default": "eu"}}}]},
            "",
            "https://eu.example.com",
        ),
        ({}, "", ""),
    ],
)
def test_the_address_of_the_api_is_the_one_that_the_document_names(made, found_at, address):
    assert openapi.base_url_of(document({}, **made), found_at=found_at) == address


# -- Names ---------------------------------------------------------------------------------------------------------


def test_operations_without_a_name_or_with_one_that_others_have_get_stable_ones():
    paths = {
        "/a": {"get": {}, "post": {"operationId": "same"}},
        "/b/{id}": {"get": {"operationId": "same"}, "delete": {"operationId": "own"}},
    }
    turned = dict(reversed(paths.items()))

    named = {(o.method, o.path): o.id for o in openapi.outlines(document(paths))}

    assert named == {
        ("GET", "/a"): "get-a",
        ("POST", "/a"): "same-post-a",
        ("GET", "/b/{id}"): "same-get-b-id",
        ("DELETE", "/b/{id}"): "own",
    }
    assert {(o.method, o.path): o.id for o in openapi.outlines(document(turned))} == named


def test_a_document_without_operations_says_so():
    with pytest.raises(InvalidInput, match="describes no operations"):
        openapi.outlines(document({"/a": {"parameters": []}}))


# -- Arguments -----------------------------------------------------------------------------------------------------


def test_parameters_of_path_and_operation_become_arguments_with_their_places():
    shared = [
        {"name": "id", "in": "path", "schema": {"type": "integer"}},
        {"name": "page", "in": "query", "schema": {"type": "string"}},
    ]
    own = [
        {"name": "page", "in": "query", "description": "Which page.", "schema": {"type": "integer", "nullable": True}},
        {"name": "filter[a b]", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "id", "in": "header", "schema": {"type": "string"}},
        {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
        {"name": "tags", "in": "query", "explode": False, "schema": {"type": "array"}},
        {"name": "deep", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
    ]
    made = only(document({"/orders/{id}": {"parameters": shared, **get(parameters=own)}}))

    assert made.arguments["required"] == ["id", "filter_a_b"]
    assert made.arguments["properties"]["page"] == {"type": ["integer", "null"], "description": "Which page."}
    assert made.places["filter_a_b"] == {"in": "query", "name": "filter[a b]"}
    assert made.places["id_header"] == {"in": "header", "name": "id"}
    assert made.places["tags"] == {"in": "query", "name": "tags", "explode": False}
    assert made.places["deep"]["style"] == "json"
    assert "Authorization" not in made.places


def test_a_gap_that_the_document_forgot_is_an_argument():
    made = only(document({"/a/{forgotten}": get()}))

    assert made.places == {"forgotten": {"in": "path", "name": "forgotten"}}
    assert made.arguments["required"] == ["forgotten"]


def test_the_fields_of_a_body_become_arguments():
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/Base"},
            {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]},
        ]
    }
    base = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}},
    }
    body = {"required": True, "content": {"text/xml": {}, "application/json": {"schema": schema}}}
    made = only(document({"/a": {"post": {"requestBody": body}}}, components={"schemas": {"Base": base}}))

    assert made.body_type == "application/json"
    assert made.places == {"name": {"in": "field", "name": "name"}, "note": {"in": "field", "name": "note"}}
    assert sorted(made.arguments["required"]) == ["name", "note"]


def test_a_body_that_is_no_plain_object_is_one_argument():
    body = {"required": True, "content": {"application/json": {"schema": {"type": "array", "items": {}}}}}
    made = only(document({"/a": {"post": {"requestBody": body}}}))

    assert made.places == {"body": {"in": "body", "name": "body"}}
    assert made.arguments["required"] == ["body"]


def test_swagger_2_is_read_as_well():
    parameters = [
        {"name": "ids", "in": "query", "type": "array", "items": {"type": "integer"}, "collectionFormat": "csv"},
        {"name": "file", "in": "formData", "type": "file", "required": True},
        {"name": "min", "in": "formData", "type": "integer", "minimum": 3, "exclusiveMinimum": True},
    ]
    made = {
        "swagger": "2.0",
        "host": "shop.example.com",
        "basePath": "/v2",
        "schemes": ["http", "https"],
        "consumes": ["multipart/form-data"],
        "paths": {"/a": {"post": {"operationId": "up", "parameters": parameters}}},
    }
    built = only(openapi.read(json.dumps(made).encode()))

    assert openapi.base_url_of(made) == "https://shop.example.com/v2"
    assert built.body_type == "multipart/form-data"
    assert built.places["ids"]["explode"] is False
    assert built.places["file"]["is_file"] is True
    assert built.arguments["properties"]["min"] == {"type": "integer", "exclusiveMinimum": 3}


def test_an_example_of_the_answer_comes_along():
    answers = {"200": {"$ref": "#/components/responses/Found"}}
    found = {"content": {"application/json": {"examples": {"one": {"value": {"total": 3}}}}}}
    made = only(document({"/a": get(responses=answers)}, components={"responses": {"Found": found}}))

    assert json.loads(made.example) == {"total": 3}


# -- References ----------------------------------------------------------------------------------------------------


def test_a_circle_is_cut_in_words():
    tree = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "child": {"$ref": "#/components/schemas/Tree"}},
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}}
    made = only(document({"/a": {"post": {"requestBody": body}}}, components={"schemas": {"Tree": tree}}))

    assert made.arguments["properties"]["child"] == {"description": "Again a “Tree”, as above."}
    assert faults(made.arguments, {"name": "a", "child": {"name": "b"}}) == []


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("https://example.com/all.json#/Pet", "another document, https://example.com/all.json#/Pet, which is not"),
        ("./schemas/pet.yaml", "another document"),
        ("#/components/schemas/Nowhere", "which is not in the document"),
    ],
)
def test_a_reference_that_cannot_be_followed_spoils_its_operation_only(ref, said):
    parameters = [{"name": "pet", "in": "query", "schema": {"$ref": ref}}]
    made = document({"/bad": get(parameters=parameters), "/good": {"get": {"operationId": "good"}}})
    bad, good = openapi.outlines(made)

    with pytest.raises(InvalidInput, match=f"GET /bad: .*{said}"):
        openapi.built(made, bad)
    assert openapi.built(made, good).id == "good"


def test_parameters_that_refer_to_each_other_only_are_refused():
    circle = {"A": {"$ref": "#/components/parameters/B"}, "B": {"$ref": "#/components/parameters/A"}}
    made = document({"/a": get(parameters=[circle["A"]])}, components={"parameters": circle})

    with pytest.raises(InvalidInput, match="refers to itself"):
        only(made)


def test_schemas_that_grow_with_each_level_stay_small():
    wide = {
        f"S{n}": {
            "type": "object",
            "properties": {f"p{i}": {"$ref": f"#/components/schemas/S{n + 1}"} for i in range(20)},
        }
        for n in range(12)
    }
    wide["S12"] = {"type": "string"}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}
    made = only(document({"/a": {"post": {"requestBody": body}}}, components={"schemas": wide}))

    assert len(json.dumps(made.arguments)) < 100_000
    assert "too much to be told" in json.dumps(made.arguments, ensure_ascii=False)


def test_a_pattern_in_another_dialect_is_left_out():
    schema = {"type": "string", "pattern": r"^\p{Nope}[$"}
    made = only(document({"/a": get(parameters=[{"name": "pattern", "in": "query", "schema": schema}])}))

    assert made.arguments["properties"] == {"pattern": {"type": "string"}}


def test_what_no_database_stores_is_left_out():
    made = only(document({"/a": get(summary="a\0b", parameters=[{"name": "\ud800x", "in": "query", "schema": {}}])}))

    assert made.name == "ab"
    json.dumps([made.places, made.arguments], ensure_ascii=False).encode()
