"""An OpenAPI document becomes tools: planned before it is applied, again and again, and edits of staff stay."""

from __future__ import annotations

import copy
import json
import lzma
from pathlib import Path

import pytest

from magnet.errors import InvalidInput, ToolError
from magnet.models import AuditEntry
from tests.fake_website import Page
from tools_app import api_imports, openapi
from tools_app.models import ApiServer, ApiTool

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENTS = Path(__file__).parent.parent / "data" / "openapi"
SHOP = {
    "openapi": "3.1.0",
    "info": {"title": "Shop"},
    "servers": [{"url": "https://shop.example.com/v1"}],
    "paths": {
        "/orders": {
            "get": {
                "operationId": "findOrders",
                "summary": "Find orders",
                "parameters": [{"name": "since", "in": "query", "schema": {"type": "string"}}],
            },
            "post": {"operationId": "addOrder", "summary": "Add an order"},
        },
        "/orders/{id}": {"get": {"operationId": "getOrder", "summary": "Show an order"}},
    },
}


@pytest.fixture
def shop():
    return ApiServer.objects.create(name="Shop", slug="shop")


@pytest.fixture
def later():
    """The document a year later: one gone, one changed, one new."""
    made = copy.deepcopy(SHOP)
    made["paths"]["/orders"]["get"]["description"] = "Newest first."
    made["paths"]["/orders"]["get"]["parameters"].append({"name": "limit", "in": "query", "schema": {}})
    del made["paths"]["/orders/{id}"]
    made["paths"]["/customers"] = {"get": {"operationId": "findCustomers"}}
    return made


def states(plan):
    return {step.operation: step.state for step in plan.steps}


def test_a_document_becomes_tools(shop):
    plan = api_imports.apply(shop, SHOP)

    assert states(plan) == {"findOrders": "new", "addOrder": "new", "getOrder": "new"}
    found = ApiTool.objects.get(slug="find-orders")
    assert (found.name, found.method, found.path) == ("Find orders", "GET", "/orders")
    assert found.places == {"since": {"in": "query", "name": "since"}}
    found.full_clean()
    shop.refresh_from_db()
    assert shop.base_url == "https://shop.example.com/v1"
    assert AuditEntry.objects.get(verb="imported").changes["new"] == 3


def test_only_the_chosen_operations_are_imported_and_a_plan_changes_nothing(shop):
    plan = api_imports.plan(shop, SHOP, chosen=["addOrder"])

    assert states(plan) == {"findOrders": "offered", "addOrder": "new", "getOrder": "offered"}
    assert not ApiTool.objects.exists()
    assert states(api_imports.apply(shop, SHOP, chosen=["addOrder"])) == states(plan)
    assert [tool.operation for tool in ApiTool.objects.all()] == ["addOrder"]


def test_an_operation_that_is_not_there_is_named(shop):
    with pytest.raises(InvalidInput, match="no operation “nowhere”"):
        api_imports.plan(shop, SHOP, chosen=["nowhere"])


def test_a_later_import_tells_what_is_new_changed_and_gone(shop, later):
    api_imports.apply(shop, SHOP)

    plan = api_imports.plan(shop, later)

    assert states(plan) == {
        "findOrders": "changed",
        "addOrder": "unchanged",
        "findCustomers": "offered",
        "getOrder": "gone",
    }
    changes = {change.field: change for change in plan.steps[0].fields}
    assert set(changes) == {"description", "arguments", "places"}
    assert changes["description"].after == "Find orders\n\nNewest first."
    assert "limit" in changes["arguments"].after


def test_a_later_import_keeps_what_staff_have_edited(shop, later):
    api_imports.apply(shop, SHOP)
    ApiTool.objects.filter(operation="findOrders").update(description="Ours.", response_fields=["total"])

    plan = api_imports.apply(shop, later)

    step = next(step for step in plan.steps if step.operation == "findOrders")
    assert step.kept == ("description",)
    tool = ApiTool.objects.get(operation="findOrders")
    assert (tool.description, tool.response_fields) == ("Ours.", ["total"])
    assert set(tool.places) == {"since", "limit"}
    assert tool.edited == ["description"]


def test_a_tool_that_is_gone_is_kept_but_not_called_and_comes_back(shop, later):
    api_imports.apply(shop, SHOP)
    api_imports.apply(shop, later)
    gone = ApiTool.objects.get(operation="getOrder")
    assert gone.gone_at is not None
    assert gone not in ApiTool.objects.for_use()

    plan = api_imports.apply(shop, SHOP)

    assert states(plan)["getOrder"] == "changed"
    gone.refresh_from_db()
    assert gone.gone_at is None


def test_two_servers_may_have_operations_of_the_same_name(shop):
    other = ApiServer.objects.create(name="Other", slug="other")
    api_imports.apply(shop, SHOP)
    api_imports.apply(other, SHOP)

    assert set(other.tools.values_list("slug", flat=True)) == {"find-orders-2", "add-order-2", "get-order-2"}


def test_an_operation_that_cannot_be_called_is_refused_alone(shop):
    made = copy.deepcopy(SHOP)
    made["paths"]["/orders"]["get"]["parameters"][0]["schema"] = {"$ref": "https://example.com/x.json"}

    plan = api_imports.apply(shop, made)

    assert states(plan)["findOrders"] == "refused"
    assert "another document" in plan.steps[0].why
    assert ApiTool.objects.count() == 2
    del made["paths"]["/orders"]["post"], made["paths"]["/orders/{id}"]
    with pytest.raises(InvalidInput, match="None of these operations can be imported"):
        api_imports.apply(ApiServer.objects.create(name="B", slug="b"), made)


def test_three_thousand_operations_are_imported(shop):
    paths = {f"/things/{n}": {"get": {"summary": f"Thing {n}"}} for n in range(3_000)}

    plan = api_imports.apply(shop, {**SHOP, "paths": paths})

    assert plan.count("new") == 3_000
    assert shop.tools.count() == 3_000


@pytest.mark.parametrize(
    ("file", "title", "operations", "refused", "example"),
    [
        ("github-rest-23.0.2.json.xz", "GitHub's official OpenAPI", 1_223, 1, "issues/create-comment"),
        ("kubernetes-1.13.json.xz", "Kubernetes", 1_014, 0, "readCoreV1NamespacedPod"),
        ("openai-2.3.0.yaml.xz", "OpenAI API", 271, 0, "createChatCompletion"),
        ("airflow-2.10.5.yaml.xz", "Airflow API", 89, 0, "post_dag_run"),
    ],
)
def test_documents_of_real_makers_are_imported(shop, file, title, operations, refused, example):
    kept = api_imports.keep(shop, lzma.decompress((DOCUMENTS / file).read_bytes()))

    plan = api_imports.apply(shop, kept.content)

    assert plan.title.startswith(title)
    assert (len(plan.steps), plan.count("refused")) == (operations, refused)
    tool = ApiTool.objects.get(operation=example)
    tool.full_clean()
    assert tool.description
    assert tool.places
    assert len(json.dumps(tool.arguments)) < 100_000
    again = api_imports.plan(shop, kept.content)
    assert (again.count("changed"), again.count("unchanged")) == (0, operations - refused)


async def test_a_document_is_fetched_from_its_address(shop, fake_api):
    shop.allows_private_addresses = True
    fake_api.routes["/openapi.json"] = Page(json.dumps(SHOP), media_type="application/json")

    kept = await api_imports.fetch_and_keep(shop, f"{fake_api.url}/openapi.json")

    assert openapi.title_of(kept.content) == "Shop"


@pytest.mark.parametrize(
    ("page", "error", "said"),
    [
        (Page("<html>", status=200), InvalidInput, "is a web page"),
        (Page("", status=404), ToolError, "status 404"),
    ],
)
async def test_an_address_without_a_document_says_what_is_there(shop, fake_api, page, error, said):
    shop.allows_private_addresses = True
    fake_api.routes["/docs"] = page

    with pytest.raises(error, match=said):
        await api_imports.fetch(shop, f"{fake_api.url}/docs")
