"""MCP servers in the admin: a person connects one, reads what its tools say, approves them and tries one."""

from __future__ import annotations

import pytest
from django.urls import reverse

from magnet import gateway
from magnet.event_loop import run_from_sync
from magnet.models import AuditEntry
from tests.fixtures_admin import HOSTILE
from tests.mcp_server import TOKEN
from tools_app.models import McpServer, McpTool

pytestmark = pytest.mark.django_db(transaction=True)
ADD = reverse("admin:tools_app_mcpserver_add")
LIMITS = {"timeout_seconds": "60", "max_response_kb": "1024", "verifies_tls": "on", "is_active": "on"}


@pytest.fixture(autouse=True)
def closed():
    yield
    run_from_sync(gateway.close_all())


def page_of(row, route="change"):
    return reverse(f"admin:tools_app_{row._meta.model_name}_{route}", args=[row.pk])


@pytest.fixture
def process(mcp_process):
    return mcp_process(ASKS_FOR_TOKEN="1")


@pytest.fixture
def weather(process):
    row = McpServer(
        name="Weather", slug="weather", url=process.url, allows_private_addresses=True, auth_kind="bearer",
        timeout_seconds=60,
    )  # fmt: skip
    row.set_secrets({"token": TOKEN})
    row.save()
    return row


def read(owner, page):
    return owner.get(page).content.decode()


# -- The form ------------------------------------------------------------------------------------------------------


def test_the_way_is_chosen_first_and_then_its_form_is_filled(owner):
    cards = read(owner, ADD)
    assert "Streamable HTTP" in cards
    assert "A command on this machine" in cards
    assert "Another sign-in" in read(owner, f"{ADD}?transport=streamable_http")

    form = {"name": "Weather", "url": "https://weather.example.com/mcp", "header_lines": "X-Tenant: riga", **LIMITS}
    saved = owner.post(f"{ADD}?transport=streamable_http&auth_kind=bearer", {**form, "secrets__token": TOKEN})

    row = McpServer.objects.get(slug="weather")
    assert saved.url == page_of(row, "tools")
    assert (row.transport, row.auth_kind, row.secrets) == ("streamable_http", "bearer", {"token": TOKEN})
    assert row.headers == {"X-Tenant": "riga"}
    assert TOKEN not in read(owner, page_of(row))


def test_a_changed_address_forgets_the_secret_and_another_name_does_not(owner, weather):
    form = {"name": "The weather", "url": weather.url, "allows_private_addresses": "on", **LIMITS}
    owner.post(page_of(weather), form)
    weather.refresh_from_db()
    assert (weather.name, weather.secrets) == ("The weather", {"token": TOKEN})

    elsewhere = {**form, "url": "https://elsewhere.example.com/mcp"}
    refused = owner.post(page_of(weather), elsewhere)
    assert "secrets__token" in refused.context["adminform"].form.errors
    owner.post(page_of(weather), {**elsewhere, "secrets__token": "for-elsewhere"})
    weather.refresh_from_db()
    assert (weather.url, weather.secrets) == (elsewhere["url"], {"token": "for-elsewhere"})


def test_a_command_has_a_form_of_its_own_and_must_be_allowed(owner, settings):
    form = {"name": "Local", "config__command": "/usr/bin/true", "config__environment": "REGION=eu", **LIMITS}
    refused = owner.post(f"{ADD}?transport=stdio", form)
    assert "MAGNET_MCP_COMMANDS" in refused.content.decode()

    settings.MCP_COMMANDS = ["/usr/bin/true"]
    given = {**form, "config__secret_variable": "API_TOKEN", "secrets__secret": "very-secret"}
    owner.post(f"{ADD}?transport=stdio", given)

    row = McpServer.objects.get(slug="local")
    assert row.config["environment"] == ["REGION=eu"]
    assert row.secrets == {"secret": "very-secret"}
    assert "very-secret" not in read(owner, page_of(row))


# -- Tools ---------------------------------------------------------------------------------------------------------


def test_the_connection_is_tested(owner, weather, process):
    answer = owner.post(page_of(weather, "check"), headers={"accept": "application/json"})
    assert answer.json()["detail"] == "“Weather office” answers and offers 6 tools."

    weather.set_secrets({"token": "wrong-token"})
    weather.save()
    answer = owner.post(page_of(weather, "check"), headers={"accept": "application/json"})
    assert (answer.status_code, "refuses the sign-in" in answer.json()["detail"]) == (502, True)


def test_new_tools_are_read_and_approved_and_a_changed_one_is_compared_word_by_word(owner, weather, process):
    assert owner.post(page_of(weather, "refresh")).url == page_of(weather, "tools")
    page = read(owner, page_of(weather, "tools"))
    assert "6 new, 0 changed, 0 gone, 0 unchanged." in page
    assert "Approve all 6 tools" in page
    entries = [f"{tool.pk}:{tool.fingerprint}" for tool in weather.tools.all()]
    owner.post(page_of(weather, "approve"), {"read": entries})
    assert all(tool.is_approved for tool in weather.tools.all())
    assert AuditEntry.objects.filter(verb="approved").count() == 6

    process.describe("Tells the weather of a village.")
    owner.post(page_of(weather, "refresh"))
    page = read(owner, page_of(weather, "tools"))
    assert "<del>city</del><ins>village</ins>" in page
    stale = next(entry for entry in entries if entry.startswith(f"{weather.tools.get(slug='weather').pk}:"))
    owner.post(page_of(weather, "approve"), {"read": [stale]})
    assert not weather.tools.get(slug="weather").is_approved


def test_a_tool_is_shown_with_fields_to_try_it_and_switched_off(owner, weather):
    owner.post(page_of(weather, "refresh"))
    tool = weather.tools.get(slug="weather")
    assert "is not approved yet" in read(owner, page_of(tool))
    tool.approve(by="test")

    page = read(owner, page_of(tool))
    assert 'data-url="/api/mcp-servers/weather/tools/weather/run"' in page
    assert 'data-argument="city"' in page
    assert "The server hints that it changes nothing" in page

    owner.post(page_of(tool), {"is_read_only": "on"})
    tool.refresh_from_db()
    assert (tool.is_enabled, tool.is_read_only) == (False, True)
    assert "weather/weather" in read(owner, reverse("admin:tools_app_mcptool_changelist"))
    assert "Weather" in read(owner, reverse("admin:tools_app_mcpserver_changelist"))


def test_words_of_a_server_are_shown_as_text(owner, weather):
    McpTool.objects.create(server=weather, name=HOSTILE, slug="hostile", description=HOSTILE, title=HOSTILE)

    for page in (page_of(weather, "tools"), page_of(weather.tools.get())):
        assert HOSTILE not in read(owner, page)


def test_a_viewer_reads_and_changes_nothing(member, weather):
    viewer = member("Viewer")
    assert viewer.get(page_of(weather, "tools")).status_code == 200
    for route in ("check", "refresh", "approve"):
        assert viewer.post(page_of(weather, route)).status_code == 403
