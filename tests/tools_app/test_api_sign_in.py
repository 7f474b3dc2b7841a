"""Every kind of sign-in reaches the API it is for; its secrets reach nothing else: no span, no error, no answer."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import parse_qs

import pytest

from magnet import gateway, tracing
from magnet.callers import SYSTEM, Caller, acting_as
from magnet.database import in_database
from magnet.errors import InvalidInput, NotConfigured, ToolError
from magnet.models import Span, SpanPayload, Trace
from tests.fake_website import Page
from tests.fixtures_api_tools import as_json, query_of, server, tool
from tools_app import api_calls
from tools_app.api_auth import AUTHS, auth_kind

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "very-secret-thing"


@pytest.fixture(autouse=True)
async def gives_connections_back():
    yield
    await gateway.close_all()


def client_of(fake_api, **config):
    made = {"token_url": f"{fake_api.url}/token", "client_id": "magnet", **config}
    return server(fake_api, auth_kind="oauth_client", auth_config=made, secrets={"client_secret": SECRET})


@pytest.mark.parametrize(
    ("kind", "config", "secrets", "header", "value"),
    [
        ("key_in_header", {"header": "X-Key"}, {"key": SECRET}, "X-Key", SECRET),
        ("bearer", {}, {"token": SECRET}, "Authorization", f"Bearer {SECRET}"),
        (
            "basic",
            {"user": "anna"},
            {"password": SECRET},
            "Authorization",
            f"Basic {b64encode(f'anna:{SECRET}'.encode()).decode()}",
        ),
        ("none", {}, {}, "Authorization", None),
    ],
)
async def test_a_call_carries_the_sign_in_of_its_server(fake_api, kind, config, secrets, header, value):
    await api_calls.call(tool(server(fake_api, auth_kind=kind, auth_config=config, secrets=secrets)), {})

    assert fake_api.calls[0].headers.get(header) == value


async def test_a_key_may_go_into_the_address_and_no_error_quotes_it(fake_api):
    shop = server(fake_api, auth_kind="key_in_query", auth_config={"parameter": "k"}, secrets={"key": SECRET})
    row = tool(shop, places={"a": "query"})

    await api_calls.call(row, {"a": 1})
    assert query_of(fake_api.calls[0]) == [("a", "1"), ("k", SECRET)]

    fake_api.routes["/orders"] = Page("x", is_cut_off=True)
    with pytest.raises(ToolError) as caught:
        await api_calls.call(row, {"a": 1})
    assert SECRET not in str(caught.value)


async def test_the_caller_brings_a_token_of_the_conversation(fake_api):
    row = tool(server(fake_api, auth_kind="conversation", auth_config={"variable": "crm"}))

    with acting_as(Caller(variables={"crm": "token-of-anna"})):
        await api_calls.call(row, {})
    assert fake_api.calls[0].headers["Authorization"] == "Bearer token-of-anna"

    with acting_as(SYSTEM), pytest.raises(InvalidInput, match="variable “crm”"):
        await api_calls.call(row, {})


async def test_a_token_is_asked_for_once_and_kept(fake_api):
    row = tool(client_of(fake_api, scope="read write"))
    fake_api.routes["/token"] = as_json({"access_token": "token-1", "expires_in": 3600})

    await api_calls.call(row, {})
    await api_calls.call(row, {})

    (asked,) = fake_api.asked("/token")
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["read write"]}
    assert asked.headers["Authorization"].startswith("Basic ")
    assert [call.headers["Authorization"] for call in fake_api.asked("/orders")] == ["Bearer token-1"] * 2


async def test_a_user_signs_in_with_a_password(fake_api):
    config = {"token_url": f"{fake_api.url}/token", "client_id": "app", "username": "anna", "client_sign_in": "form"}
    secrets = {"password": SECRET, "client_secret": "s3cret-of-client"}
    fake_api.routes["/token"] = as_json({"access_token": "t"})

    await api_calls.call(tool(server(fake_api, auth_kind="oauth_password", auth_config=config, secrets=secrets)), {})

    form = {name: values[0] for name, values in parse_qs(fake_api.asked("/token")[0].body.decode()).items()}
    assert form == {
        "grant_type": "password",
        "username": "anna",
        "password": SECRET,
        "client_id": "app",
        "client_secret": "s3cret-of-client",
    }


async def test_a_token_that_ended_early_is_asked_for_anew(fake_api):
    row = tool(client_of(fake_api), method="POST")
    tokens = iter(["old", "new"])
    fake_api.routes["/token"] = lambda call: as_json({"access_token": next(tokens), "expires_in": 3600})
    fake_api.routes["/orders"] = lambda call: as_json(
        {}, status=200 if call.headers["Authorization"] == "Bearer new" else 401
    )

    assert (await api_calls.call(row, {})).answer.status == 200
    assert len(fake_api.asked("/orders")) == 2


async def test_a_token_that_ends_at_once_is_not_kept(fake_api):
    row = tool(client_of(fake_api))
    fake_api.routes["/token"] = as_json({"access_token": "short", "expires_in": 0})

    await api_calls.call(row, {})
    await api_calls.call(row, {})

    assert len(fake_api.asked("/token")) == 2


@pytest.mark.parametrize(
    "page",
    [
        as_json({"error": "invalid_client", "error_description": f"{SECRET} is wrong"}, status=401),
        as_json({"nothing": 1}),
        Page("<html>"),
        Page(status=302, headers={"Location": "https://elsewhere.example.com/"}),
    ],
)
async def test_a_refused_token_is_told_without_the_secret(fake_api, page):
    row = tool(client_of(fake_api))
    fake_api.routes["/token"] = page

    with pytest.raises(ToolError, match="gave no token") as caught:
        await api_calls.call(row, {})
    assert SECRET not in str(caught.value)
    assert not fake_api.asked("/orders")


async def test_a_sign_in_without_its_secret_says_so(fake_api):
    row = tool(server(fake_api, auth_kind="bearer"))

    with pytest.raises(NotConfigured, match="not complete"):
        await api_calls.call(row, {})


def test_every_kind_has_a_label_and_an_unknown_one_is_named():
    assert {"none", "key_in_header", "key_in_query", "basic", "bearer", "conversation"} < set(AUTHS)
    with pytest.raises(NotConfigured, match="no sign-in of the kind “magic”"):
        auth_kind("magic")


# -- Traces --------------------------------------------------------------------------------------------------------


async def written():
    await in_database(tracing.flush)
    return await in_database(
        lambda: (list(Trace.objects.all()), list(Span.objects.all()), list(SpanPayload.objects.all()))
    )


async def test_each_call_is_traced_and_an_echoed_secret_is_not_kept(fake_api):
    shop = server(fake_api, auth_kind="bearer", secrets={"token": SECRET})
    row = tool(shop, places={"since": "query"})
    fake_api.routes["/orders"] = lambda call: as_json({"you sent": dict(call.headers), "total": 1})

    called = await api_calls.call(row, {"since": "2026"})

    assert called.answer.content["you sent"]["Authorization"] == "•••"
    (trace,), spans, payloads = await written()
    assert (trace.feature, trace.slug, trace.status) == ("api_tool", "find-orders", "ok")
    (step,) = spans
    assert (step.kind, step.attributes["method"], step.attributes["status"]) == ("tool", "GET", 200)
    assert payloads[0].input == {"since": "2026"}
    assert payloads[0].output["total"] == 1
    everything = json.dumps([[vars(row) for row in rows] for rows in ([trace], spans, payloads)], default=str)
    assert SECRET not in everything


async def test_a_caller_who_wants_nothing_recorded_leaves_no_texts(fake_api):
    fake_api.routes["/orders"] = as_json({"total": 1})
    with acting_as(Caller(recording="none")):
        await api_calls.call(tool(server(fake_api), places={"since": "query"}), {"since": "mine"})

    (trace,), spans, payloads = await written()
    assert (trace.summary, spans[0].attributes, payloads) == ("", {}, [])


async def test_a_refusal_of_the_api_shows_in_the_trace(fake_api):
    await api_calls.call(tool(server(fake_api), path="/nowhere"), {})

    (trace,), _spans, _payloads = await written()
    assert (trace.status, trace.error) == ("error", "The server answered with status 404: there is no such thing.")


# -- Test connection -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"), [(200, "answers (status 200)"), (404, "Nothing stands at the base URL itself")]
)
async def test_a_connection_is_tested(fake_api, status, said):
    fake_api.routes["/"] = as_json({}, status=status)

    assert said in await api_calls.check(server(fake_api))


@pytest.mark.parametrize(("status", "said"), [(401, "refuses the sign-in"), (500, "a fault of its own")])
async def test_a_connection_that_does_not_work_says_why(fake_api, status, said):
    fake_api.routes["/"] = as_json({}, status=status)

    with pytest.raises(ToolError, match=said):
        await api_calls.check(server(fake_api))


async def test_no_log_names_an_address_with_its_key(fake_api, caplog):
    caplog.set_level("DEBUG")
    shop = server(fake_api, auth_kind="key_in_query", secrets={"key": SECRET})

    await api_calls.call(tool(shop), {})

    assert SECRET in fake_api.calls[0].path
    assert SECRET not in caplog.text
