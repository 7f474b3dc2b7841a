"""Every page of the admin, by its address: who is not signed in, lacks a right or brings no token gets nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from agents.models import Agent
from conversations.models import AgentRetention, Conversation
from knowledge.models import Chunk, Document, KnowledgeSource, SyncRun
from magnet.admin.base import MagnetAdmin, ObjectPage
from magnet.models import AIModel, ApiKey, AuditEntry, Delivery, PromptTemplate, Provider, Trace, User, Webhook
from tests import factories
from tests.fixtures_admin import signed_in
from tools_app.models import ApiServer, McpServer, RagTool, RetrievalTool

pytestmark = pytest.mark.django_db
# Who follows an invitation cannot sign in yet: the token in the address is the proof.
FOR_EVERYBODY = {"login", "choose_password"}
# They change nothing that others see: a proof leaves its entry in the record of who did what, a comparison asks.
VIEWERS_MAY = {("knowledge.KnowledgeSource", "proof"), ("knowledge.KnowledgeSource", "index-compare")}
WRITING = ("insert ", "update ", "delete ")
# Sessions, and that somebody came.
NOT_STATE = ('"django_session"', '"magnet_user" SET "last_login"')


def admin_patterns() -> Iterator[tuple[str, str]]:
    """The address of each page of the admin, and its name."""
    for route, pattern in walk(get_resolver()):
        if route.startswith("admin/") and pattern.name:
            yield f"/{fill_in(route)}", pattern.name


def walk(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from walk(pattern, route)
        else:
            yield route, pattern


def fill_in(route: str) -> str:
    for said, value in (
        ("<path:object_id>", "1"),
        ("<path:content_type_id>", "1"),
        ("<int:content_type_id>", "1"),
        ("<uidb64>", "MQ"),
        ("<token>", "x"),
        ("^(?P<app_label>magnet|auth|knowledge|tools_app|conversations)/$", "magnet/"),
    ):
        route = route.replace(said, value)
    return route


def custom_pages() -> list[tuple[MagnetAdmin, ObjectPage]]:
    admins = [each for each in admin.site._registry.values() if isinstance(each, MagnetAdmin)]
    return [(each, page) for each in admins for page in each.object_pages()]


@pytest.fixture
def furnished(tmp_path, settings) -> dict[Any, Any]:
    """One of each thing that has pages of its own."""
    settings.MEDIA_ROOT = tmp_path
    source = factories.source("manual")
    factories.push(source, cows="# Cows\n\nThey make milk.")
    template = PromptTemplate.objects.create(name="Kind", slug="kind")
    hook = Webhook(name="Pager", url="http://127.0.0.1:9/", events=["sync.failed"])
    hook.renew_secret()
    hook.save()
    delivery = {"webhook": hook, "event": "test", "subject": "Test", "text": "Test", "payload": {}, "status": "failed"}
    Delivery.objects.create(**delivery)
    Trace.objects.create(feature="rag_tool", started_at=timezone.now())
    AuditEntry.record("changed", template)
    ApiKey.objects.issue(name="CRM", scopes=("all",))
    RagTool.objects.create(name="Help", slug="help")
    RetrievalTool.objects.create(name="Find", slug="find")
    ApiServer.objects.create(name="Shop", slug="shop")
    McpServer.objects.create(name="Desk", slug="desk", url="https://desk.example.com/mcp")
    desk = Agent.objects.create(name="Desk", slug="desk-of-rights")
    Conversation.objects.create(agent=desk, agent_slug=desk.slug, caller_type="key", caller_id="1")
    AgentRetention.objects.create(agent=desk, days=30)
    User.objects.create_user("pia@example.com", "a password of hers", name="Pia")
    models = (KnowledgeSource, Document, SyncRun, Chunk, Provider, AIModel, PromptTemplate, Webhook, Delivery, Trace)
    more = (AuditEntry, ApiKey, RagTool, User, Conversation, AgentRetention)
    return {model: model.objects.first() for model in (*models, *more)}


def address(each: MagnetAdmin, page: ObjectPage, things: dict[Any, Any]) -> str:
    thing = things.get(each.model) or each.model.objects.first()
    assert thing is not None, f"Furnish a {each.opts.label}, so that its page “{page.route}” is tried."
    return reverse(f"admin:{each.url_name(page.route)}", args=[thing.pk])


def changes(queries: CaptureQueriesContext) -> list[str]:
    said = [query["sql"] for query in queries if query["sql"].lower().startswith(WRITING)]
    return [statement for statement in said if not any(other in statement for other in NOT_STATE)]


def test_nobody_sees_a_page_without_signing_in():
    client = Client()
    open_pages = set()
    for url, name in admin_patterns():
        for answer in (client.get(url), client.post(url)):
            led = answer.headers.get("Location", "")
            if not (answer.status_code == 302 and led.startswith("/admin/login/")):
                open_pages.add(name)

    assert open_pages - {"logout", "jsi18n"} == FOR_EVERYBODY


def test_no_page_takes_a_form_without_its_token(db):
    owner = Client(enforce_csrf_checks=True)
    owner.force_login(User.objects.create_superuser("olga@example.com", "a password of hers", name="Olga"))

    taken = [name for url, name in admin_patterns() if owner.post(url).status_code != 403]

    assert taken == []


def test_a_deed_needs_its_right_and_a_form(owner, member, furnished):
    viewer = member("Viewer")
    nobody = signed_in(User.objects.create_user("nil@example.com", "a password of theirs", name="Nil"))
    done: dict[str, Any] = {}

    for each, page in custom_pages():
        if "POST" not in page.methods:
            continue
        url, label = address(each, page, furnished), each.opts.label
        with CaptureQueriesContext(connection) as queries:
            answers = {"nobody": nobody.post(url).status_code in (302, 403)}
            if (label, page.route) not in VIEWERS_MAY:
                answers["viewer"] = viewer.post(url).status_code in (302, 403)
            if "GET" not in page.methods:
                answers["by a link"] = owner.get(url).status_code == 405
        if not all(answers.values()) or changes(queries):
            done[f"{label} {page.route}"] = (answers, changes(queries))

    assert done == {}


def test_looking_changes_nothing(owner, furnished):
    changed = {}
    for each, page in custom_pages():
        if "GET" in page.methods:
            with CaptureQueriesContext(connection) as queries:
                owner.get(address(each, page, furnished))
            changed[f"{each.opts.label} {page.route}"] = changes(queries)

    assert {name: said for name, said in changed.items() if said} == {}


def test_forms_and_lists_change_nothing_when_they_are_looked_at(owner, furnished):
    for each in admin.site._registry.values():
        thing = furnished.get(each.model)
        names = ["changelist", "add"] if thing is None else ["changelist", "add", "change", "delete", "history"]
        for name in names:
            args = [thing.pk] if name in ("change", "delete", "history") and thing is not None else []
            with CaptureQueriesContext(connection) as queries:
                owner.get(reverse(f"admin:{each.opts.app_label}_{each.opts.model_name}_{name}", args=args))
            assert changes(queries) == [], (each.opts.label, name)


def test_a_viewer_can_neither_add_nor_change_nor_delete_anything(member, furnished):
    viewer = member("Viewer")
    with CaptureQueriesContext(connection) as queries:
        for each in admin.site._registry.values():
            thing = furnished.get(each.model)
            base = f"admin:{each.opts.app_label}_{each.opts.model_name}"
            urls = [reverse(f"{base}_add")]
            urls += [reverse(f"{base}_{name}", args=[thing.pk]) for name in ("change", "delete") if thing is not None]
            for url in urls:
                assert viewer.post(url, {"name": "Mine", "_save": "1"}).status_code in (302, 403, 405), url
    assert changes(queries) == []


def test_a_preview_and_an_explained_schedule_need_a_form_and_a_right(owner, member, furnished):
    preview = reverse("admin:knowledge_knowledgesource_preview")
    source = furnished[KnowledgeSource]

    assert owner.get(preview).status_code == 405
    assert member("Viewer").post(preview, {"preview_source": source.pk}).status_code == 403
