"""API servers and tools in the admin: a person connects an API, imports its document, edits a tool and tries it."""

from __future__ import annotations

import copy
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from magnet.models import AuditEntry
from tests.fake_website import Page
from tests.fixtures_admin import HOSTILE
from tests.tools_app.test_api_imports import SHOP
from tools_app import api_imports
from tools_app.models import ApiServer, ApiTool

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "very-secret-thing"
ADD = reverse("admin:tools_app_apiserver_add")
LIMITS = {"timeout_seconds": "30", "max_response_kb": "1024", "verifies_tls": "on", "is_active": "on"}


def page_of(row, route="change"):
    return reverse(f"admin:tools_app_{row._meta.model_name}_{route}", args=[row.pk])


@pytest.fixture
def shop(fake_api):
    row = ApiServer(name="Shop", slug="shop", base_url=fake_api.url, allows_private_addresses=True, auth_kind="bearer")
    row.set_secrets({"token": SECRET})
    row.save()
    return row


@pytest.fixture
def imported(shop):
    api_imports.keep(shop, json.dumps(SHOP).encode())
    api_imports.apply(shop, SHOP)
    return ApiTool.objects.get(slug="find-orders")


# -- Servers -------------------------------------------------------------------------------------------------------


def test_the_sign_in_is_chosen_first_and_then_its_form_is_filled(owner):
    assert "API key in a header" in owner.get(ADD).content.decode()

    form = {"name": "Shop", "base_url": "https://shop.example.com", "header_lines": "X-Tenant: riga", **LIMITS}
    saved = owner.post(f"{ADD}?auth_kind=key_in_header", {**form, "config__header": "X-Key", "secrets__key": SECRET})

    row = ApiServer.objects.get(slug="shop")
    assert saved.url == page_of(row, "import")
    assert (row.auth_kind, row.auth_config, row.secrets) == ("key_in_header", {"header": "X-Key"}, {"key": SECRET})
    assert row.headers == {"X-Tenant": "riga"}


def test_a_stored_secret_is_never_shown(owner, shop):
    page = owner.get(page_of(shop)).content.decode()

    assert SECRET not in page
    assert shop.encrypted_secrets not in page
    assert "Set. Leave empty to keep it" in page


def test_a_secret_is_kept_until_the_address_changes(owner, shop):
    form = {"name": "The shop", "base_url": shop.base_url, "allows_private_addresses": "on", **LIMITS}
    owner.post(page_of(shop), form)
    shop.refresh_from_db()
    assert (shop.name, shop.secrets) == ("The shop", {"token": SECRET})

    refused = owner.post(page_of(shop), {**form, "base_url": "https://elsewhere.example.com"})
    assert refused.status_code == 200
    assert "This is required." in refused.content.decode()
    shop.refresh_from_db()
    assert shop.base_url != "https://elsewhere.example.com"

    owner.post(page_of(shop), {**form, "base_url": "https://elsewhere.example.com", "secrets__token": "another"})
    shop.refresh_from_db()
    assert shop.secrets == {"token": "another"}


def test_another_sign_in_is_chosen_later(owner, shop):
    form = {"name": "Shop", "base_url": shop.base_url, **LIMITS}
    owner.post(f"{page_of(shop)}?auth_kind=none", form)

    shop.refresh_from_db()
    assert (shop.auth_kind, shop.has_secrets) == ("none", False)


def test_unchecked_certificates_are_warned_of(owner, shop):
    form = {"name": "Shop", "base_url": shop.base_url, **LIMITS}
    del form["verifies_tls"]

    page = owner.post(page_of(shop), form, follow=True).content.decode()

    assert "Certificates are not checked" in page
    assert "Unchecked TLS" in owner.get(reverse("admin:tools_app_apiserver_changelist")).content.decode()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("header_lines", "nonsense", "Write each header as"),
        ("header_lines", "X A: b", "is no header"),
        ("base_url", "ftp://example.com", "must begin with http"),
    ],
)
def test_what_does_not_fit_is_told_on_the_form(owner, shop, field, value, said):
    form = {"name": "Shop", "base_url": shop.base_url, "secrets__token": "again", **LIMITS, field: value}

    page = owner.post(page_of(shop), form)

    assert page.status_code == 200
    assert said in page.content.decode()


def test_a_connection_is_tested_with_a_button(owner, shop, fake_api):
    fake_api.routes["/"] = Page("{}", media_type="application/json")

    answer = owner.post(page_of(shop, "check"), headers={"Accept": "application/json"})

    assert answer.json()["detail"] == "127.0.0.1 answers (status 200)."


def test_deleting_a_server_says_that_its_tools_go_too(owner, imported):
    page = owner.get(page_of(imported.server, "delete")).content.decode()
    assert "3 API tools go with it." in page

    owner.post(page_of(imported.server, "delete"))
    assert not ApiTool.objects.exists()
    assert AuditEntry.objects.filter(verb="deleted", object_label="Shop").exists()


# -- The import ----------------------------------------------------------------------------------------------------


def test_a_document_is_pasted_chosen_from_reviewed_and_imported(owner, shop):
    owner.post(page_of(shop, "import"), {"text": json.dumps(SHOP)})
    choosing = owner.get(page_of(shop, "import")).content.decode()
    assert "Find orders" in choosing
    assert "GET /orders/{id}" in choosing

    to_review = owner.post(page_of(shop, "import"), {"operations": "findOrders\ngetOrder"})
    assert to_review.url == page_of(shop, "review")
    assert "2 new, 0 changed, 0 unchanged, 0 gone." in owner.get(to_review.url).content.decode()
    assert not ApiTool.objects.exists()

    owner.post(to_review.url)
    assert set(ApiTool.objects.values_list("operation", flat=True)) == {"findOrders", "getOrder"}


def test_a_document_is_uploaded_or_fetched(owner, shop, fake_api):
    file = SimpleUploadedFile("openapi.json", json.dumps(SHOP).encode())
    owner.post(page_of(shop, "import"), {"file": file})
    assert shop.document.content["info"]["title"] == "Shop"

    fake_api.routes["/openapi.json"] = Page(json.dumps({**SHOP, "info": {"title": "Fetched"}}))
    fake_api.routes["/openapi.json"].media_type = "application/json"
    owner.post(page_of(shop, "import"), {"url": f"{fake_api.url}/openapi.json"})
    shop.document.refresh_from_db()
    assert shop.document.content["info"]["title"] == "Fetched"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Choose a file, paste the document, or enter its address."),
        ({"text": "a: [1"}, "not valid YAML"),
        ({"url": "http://169.254.169.254/"}, "not a public address"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_on_the_page(owner, shop, given, said):
    page = owner.post(page_of(shop, "import"), given, follow=True).content.decode()

    assert said in page


def test_a_review_shows_what_changes_and_what_stays_as_it_was_edited(owner, imported):
    ApiTool.objects.filter(pk=imported.pk).update(name="Our orders")
    later = copy.deepcopy(SHOP)
    later["paths"]["/orders"]["get"]["description"] = "Newest first."
    del later["paths"]["/orders/{id}"]
    owner.post(page_of(imported.server, "import"), {"text": json.dumps(later)})

    page = owner.get(page_of(imported.server, "review")).content.decode()

    assert "0 new, 1 changed, 1 unchanged, 1 gone." in page
    assert "Newest first." in page
    assert "Stays as you edited it: name." in page
    assert "It is kept, and no longer called." in page


def test_a_hostile_document_is_shown_as_text(owner, shop):
    hostile = {
        **SHOP,
        "info": {"title": HOSTILE},
        "paths": {f"/{'a'}": {"get": {"summary": HOSTILE, "tags": [HOSTILE]}}},
    }
    owner.post(page_of(shop, "import"), {"text": json.dumps(hostile)})
    owner.post(page_of(shop, "import"), {"operations": "get-a"})

    pages = owner.get(page_of(shop, "import")).content + owner.get(page_of(shop, "review")).content
    owner.post(page_of(shop, "review"))
    pages += owner.get(page_of(ApiTool.objects.get())).content

    assert b"<script>alert" not in pages
    assert b"<img src=x" not in pages


# -- Tools ---------------------------------------------------------------------------------------------------------


def table(*rows, required=()):
    columns = ("was", "name", "type", "description", "place", "sent_as")
    posted = {f"table-{column}": [row[number] for row in rows] for number, column in enumerate(columns)}
    return {**posted, "table-required": [str(number) for number in required]}


def test_the_arguments_are_edited_as_a_table(owner, imported):
    limits = {"type": "string", "maxLength": 10}
    ApiTool.objects.filter(pk=imported.pk).update(
        arguments={"type": "object", "properties": {"since": limits}, "additionalProperties": False}
    )
    form = {"name": "Find orders", "method": "GET", "path": "/orders", "is_enabled": "on", "response_fields": "total"}
    rows = table(
        ("since", "since", "string", "From this day on.", "query", "from"), ("", "n", "integer", "", "query", "")
    )

    saved = owner.post(page_of(imported), {**form, **rows, "table-required": ["1"]})

    assert saved.status_code == 302, saved.context["adminform"].form.errors
    imported.refresh_from_db()
    assert imported.arguments["properties"] == {
        "since": {**limits, "description": "From this day on."},
        "n": {"type": "integer"},
    }
    assert imported.arguments["required"] == ["n"]
    assert imported.places == {"since": {"in": "query", "name": "from"}, "n": {"in": "query", "name": "n"}}
    assert imported.response_fields == ["total"]
    assert {"arguments", "places"} < set(imported.edited)


def test_saving_a_tool_as_it_is_edits_nothing(owner, imported):
    said = {"type": "string", "description": "One.\nTwo. "}
    arguments = {"type": "object", "properties": {"since": said}, "required": [], "additionalProperties": False}
    texts = {"description": "One line.\nAnother.", "mock_response": '{\n  "total": 1\n}', "arguments": arguments}
    for name, value in texts.items():
        setattr(imported, name, value)
        imported.imported[name] = value
    imported.save()
    form = {"name": imported.name, "method": "GET", "path": "/orders", "is_enabled": "on"}
    form |= {"description": "One line.\r\nAnother.", "mock_response": '{\r\n  "total": 1\r\n}'}
    rows = table(("since", "since", "string", "One.\r\nTwo.", "query", "since"))
    saved = owner.post(page_of(imported), {**form, **rows})

    assert saved.status_code == 302
    imported.refresh_from_db()
    assert imported.edited == []


def test_a_gap_without_its_argument_is_told_at_the_form(owner, imported):
    form = {"name": "Find orders", "method": "GET", "path": "/orders/{id}", "is_enabled": "on"}

    page = owner.post(page_of(imported), {**form, **table(("since", "since", "string", "", "query", ""))})

    assert "“id” is a gap without an argument" in page.content.decode()


def test_a_tool_is_added_by_hand(owner, shop):
    form = {"name": "Show", "server": shop.pk, "method": "GET", "path": "/orders/{id}", "is_enabled": "on"}
    rows = table(("", "id", "integer", "", "path", ""), required=(0,))

    saved = owner.post(reverse("admin:tools_app_apitool_add"), {**form, **rows})

    assert saved.status_code == 302, saved.context["adminform"].form.errors
    assert ApiTool.objects.get(slug="show").arguments["required"] == ["id"]


def test_the_fields_of_try_it_follow_the_schema(owner, imported):
    properties = {"kind": {"enum": ["new", "old"]}, "n": {"type": "integer"}, "filter": {"type": "object"}}
    places = {name: {"in": "query", "name": name} for name in properties}
    ApiTool.objects.filter(pk=imported.pk).update(arguments={"type": "object", "properties": properties}, places=places)

    page = owner.get(page_of(imported)).content.decode()

    assert 'data-url="/api/api-tools/find-orders/run"' in page
    assert '<option value="&quot;new&quot;">new</option>' in page
    assert 'type="number" step="any" data-argument="n"' in page
    assert 'data-argument="filter" data-type="object"' in page


def test_who_may_only_see_tools_sees_no_try_it(member, imported):
    page = member("Viewer").get(page_of(imported))

    assert page.status_code == 200
    assert b"data-try-api" not in page.content
    assert member("Analyst").get(page_of(imported.server, "import")).status_code == 403


def test_the_lists_say_what_is_on_gone_and_edited(owner, imported):
    ApiTool.objects.filter(operation="getOrder").update(gone_at="2026-01-01T00:00:00Z")
    ApiTool.objects.filter(operation="addOrder").update(name="Ours")

    page = owner.get(page_of(imported.server, "tools"), follow=True).content.decode()

    assert "Gone from its document" in page
    assert "GET /orders" in page
    assert "API tools" in owner.get(reverse("admin:index")).content.decode()
