"""What an API or its document sends cannot break, stop or mislead whoever reads it."""

from __future__ import annotations

import json

import httpx
import pytest

from magnet import safe_yaml
from magnet.errors import InvalidInput
from magnet.outbound.http import Response
from tools_app import api_imports, api_sign_in, openapi
from tools_app.api_auth import Signature
from tools_app.api_responses import answered
from tools_app.models import ApiServer
from tools_app.models.remote_servers import RemoteServer


def read(body: bytes, media_type: str, *, fields: tuple[str, ...] = (), secrets: tuple[str, ...] = ()):
    response = Response("http://api.example/", 200, httpx.Headers({"content-type": media_type}), body=body)
    return answered(response, fields=list(fields), secrets=secrets)


def document(**more):
    return {"openapi": "3.1.0", "paths": {"/orders": {"get": {}}}, **more}


# -- Answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "unicode_escape", "rot13", "no-such"])
def test_an_encoding_that_no_server_means_is_read_as_utf_8(charset):
    assert read(rb"a-\ud800", f"text/plain; charset={charset}").content == r"a-\ud800"


@pytest.mark.parametrize("charset", ["latin-1", "windows-1252", "ISO-8859-15"])
def test_an_encoding_of_the_web_is_read_as_it_is(charset):
    assert read(b"\xe4", f"text/plain; charset={charset}").content == "ä"


@pytest.mark.parametrize("body", [b"[" * 900 + b"]" * 900, b'{"price": NaN}', b'{"price": Infinity}'])
def test_json_that_nobody_can_keep_is_shown_as_text(body):
    found = read(body, "application/json", fields=("price",))

    assert found.content == body.decode()
    assert "it is not" in found.note


def test_a_page_that_begins_a_thousand_titles_has_none():
    assert "(" not in read(b"<title>" * 2_800, "text/html").note
    assert "“Sign in”" in read(b"<html><title lang=en> Sign\n in </title>", "text/html").note


@pytest.mark.parametrize("echo", [r'"p\u00e4ss/w\"rd +1"', r'"päss\/w\"rd +1"', '"p%C3%A4ss%2Fw%22rd+%2B1"'])
def test_a_secret_that_is_echoed_in_another_writing_is_hidden_all_the_same(echo):
    assert read(echo.encode(), "application/json", secrets=('päss/w"rd +1',)).content == "•••"


# -- Documents -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made",
    [
        document(servers=[{"url": "http://[x"}]),
        document(servers=[{"url": "https://anna:secret@api.example"}]),
        document(servers=[{"url": "https://api.example/\x00"}]),
        document(servers=[{"url": "file:///etc"}]),
        {"swagger": "2.0", "host": "[x"},
        {"swagger": "2.0", "host": "api.example", "schemes": ["ws"]},
    ],
)
def test_an_address_that_cannot_be_called_counts_as_none(made):
    assert openapi.base_url_of(made) == ""


@pytest.mark.parametrize("schemes", [{"a": 1}, 5, "http", []])
def test_schemes_that_are_no_list_are_https(schemes):
    assert openapi.base_url_of({"swagger": "2.0", "host": "api.example", "schemes": schemes}) == "https://api.example"


def test_defaults_that_name_other_variables_do_not_make_an_address_endless():
    variables = {"a": {"default": "{b}" * 100}, "b": {"default": "{c}" * 100}, "c": {"default": "x"}}

    made = openapi.base_url_of(document(servers=[{"url": "https://api.example/" + "{a}" * 20, "variables": variables}]))

    assert made == ""


def test_a_reference_to_an_endless_number_spoils_its_operation_only():
    made = document(many=[1])
    made["paths"]["/orders"]["get"]["parameters"] = [{"$ref": "#/many/" + "9" * 5_000}]

    with pytest.raises(InvalidInput, match="not in the document"):
        openapi.built(made, openapi.outlines(made)[0])


def test_aliases_of_a_long_text_are_refused_before_they_are_written_out():
    lines = ["long: &long " + "x" * 1_000_000, "all:", *["- *long"] * 1_000]

    with pytest.raises(InvalidInput, match="aliases"):
        safe_yaml.read("\n".join(lines))


@pytest.mark.django_db(transaction=True)
def test_an_address_that_was_entered_during_an_import_stays():
    """Its secrets may have come with it, and would else go where the document says."""
    ApiServer.objects.create(name="Shop", slug="shop")
    seen_before = ApiServer.objects.get(slug="shop")
    ApiServer.objects.filter(slug="shop").update(base_url="https://api.example")

    api_imports.apply(seen_before, document(servers=[{"url": "https://elsewhere.example"}]))

    assert ApiServer.objects.get(slug="shop").base_url == "https://api.example"


# -- Tokens --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [10**400, "soon", None, [], json.loads("NaN")])
def test_an_end_of_a_token_that_cannot_be_read_breaks_nothing(value):
    assert not api_sign_in.seconds_of(value) > 86_400


def test_a_late_refusal_does_not_forget_the_token_that_another_call_got_since():
    shop: RemoteServer = ApiServer(pk=7, name="Shop")
    api_sign_in._tokens[api_sign_in.key_of(shop)] = ("second", float("inf"))

    is_worth_another_try = api_sign_in.forget_token(shop, refused=Signature(headers={"Authorization": "Bearer first"}))

    assert is_worth_another_try
    assert api_sign_in.token_of(shop) == {"second"}
    assert api_sign_in.forget_token(shop, refused=Signature(headers={"Authorization": "Bearer second"}))
    assert api_sign_in.token_of(shop) == set()
