"""The admin as a whole: who sees what, that pages stay fast, and that nothing that was typed runs in a browser."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from knowledge.models import SyncRun
from magnet import groups
from magnet.admin.base import ReadOnlyAdmin
from magnet.default_prompts import ensure_default_prompts
from magnet.models import AIModel, ApiKey, AuditEntry, PromptTemplate, Provider, Trace, User
from tests import factories
from tests.fixtures_admin import HOSTILE
from tests.magnet.test_admin_providers import OPTIONS
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db


def list_url(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def add_rows(count, *, start=0):
    """`count` of everything that has a list, with names that would do harm if they were not escaped."""
    for number in range(start, start + count):
        name = f"{HOSTILE} {number}"
        source = factories.source(f"source-{number}", name=name)
        factories.push(source, **{f"document {number} {HOSTILE}": f"# {HOSTILE}\n\nWords {number}"})
        SyncRun.objects.create(source=source, status=SyncRun.Status.FAILED, error=name)
        RagTool.objects.create_live(settings={"sources": [source]}, name=name, slug=f"tool-{number}")
        Provider.objects.create(name=name, slug=f"provider-{number}", kind="local")
        ApiKey.objects.issue(name=name, scopes=["all"], owner=User.objects.first())
        User.objects.create_user(f"person-{number}@example.com", name=name)
        Group.objects.create(name=f"{HOSTILE[:60]} {number}")
        Trace.objects.create(feature="rag_tool", slug=f"tool-{number}", summary=name, started_at=timezone.now())


def test_every_list_asks_the_database_as_often_for_thirty_rows_as_for_three(owner, django_assert_max_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def counted():
        found = {}
        for model in admin.site._registry:
            with CaptureQueriesContext(connection) as queries:
                response = owner.get(list_url(model))
            assert response.status_code == 200, model
            assert HOSTILE.encode() not in response.content, model
            found[model.__name__] = len(queries)
        with CaptureQueriesContext(connection) as queries:
            assert owner.get(reverse("admin:index")).status_code == 200
        return {**found, "home": len(queries)}

    add_rows(3)
    counted()  # Content types are asked for once in a process.
    few = counted()
    add_rows(27, start=3)

    many = counted()

    assert {name: many[name] for name in many if many[name] > few[name]} == {}
    assert max(many.values()) <= 30


def test_nobody_gets_in_without_signing_in(db):
    for model in admin.site._registry:
        response = Client().get(list_url(model))
        assert response.status_code == 302
        assert response.headers["Location"].startswith(reverse("admin:login"))
    assert Client().get(reverse("admin:usage")).status_code == 302


@pytest.mark.parametrize(
    ("group", "sees", "does_not_see"),
    [
        ("Viewer", ["RAG tools", "Sources"], ["Traces", "Providers", "API keys", "People"]),
        ("Analyst", ["Traces", "Usage"], ["API keys", "Who did what"]),
        ("Editor", ["RAG tools", "Traces", "Providers"], ["API keys", "People"]),
        ("Owner", ["RAG tools", "API keys", "People", "Who did what"], []),
    ],
)
def test_the_menu_shows_what_a_person_may_use(member, group, sees, does_not_see):
    page = member(group).get(reverse("admin:index")).content.decode()
    menu = page[page.index("nav-sidebar-apps") : page.index('id="main"')]

    assert [title for title in sees if f"<span>{title}</span>" not in menu] == []
    assert [title for title in does_not_see if f"<span>{title}</span>" in menu] == []


def test_what_has_no_place_in_the_menu_of_a_viewer_is_closed_to_them(member):
    viewer = member("Viewer")

    assert viewer.get(list_url(ApiKey)).status_code == 403
    assert viewer.get(reverse("admin:usage")).status_code == 403
    assert viewer.get(reverse("admin:magnet_apikey_add")).status_code == 403
    assert viewer.get(reverse("admin:knowledge_knowledgesource_add")).status_code == 403


def test_a_refusal_stays_inside_the_admin_and_leads_home(member):
    viewer = member("Viewer")

    refused, missing = viewer.get(reverse("admin:usage")), viewer.get("/admin/no/such/page/")

    assert (refused.status_code, missing.status_code) == (403, 404)
    for response, sentence in ((refused, "Your groups do not allow this page."), (missing, "There is nothing at this")):
        page = response.content.decode()
        assert sentence in page
        assert 'id="nav-sidebar' in page
        assert f'href="{reverse("admin:index")}">Home' in page
    asked_by_script = viewer.get(reverse("admin:usage"), headers={"Accept": "application/json"})
    assert asked_by_script.json()["detail"].startswith("Your groups do not allow")


def test_what_everything_else_relies_on_is_not_deleted_with_a_plain_yes(owner):
    groups.seed()
    ensure_default_prompts()
    prompt, group = PromptTemplate.objects.get(slug="rag-answer"), Group.objects.get(name="Owner")
    for row, sentence in ((prompt, "default of every tool"), (group, "groups that every Magnet has")):
        url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_delete", args=[row.pk])
        answers = [owner.get(url, follow=True), owner.post(url, follow=True)]
        assert all(sentence in answer.content.decode() for answer in answers)
        row.refresh_from_db()


def test_what_is_deleted_is_counted_in_whole_sentences(owner):
    settings = {"instructions": "Answer.", "prompt": "{passages} {question}"}
    prompt = PromptTemplate.objects.create_live(settings=settings, name="Short", slug="short")
    url = reverse("admin:magnet_prompttemplate_delete", args=[prompt.pk])

    page = owner.get(url).content.decode()
    assert "Its only version goes with it." in page
    assert "gets an error" not in page
    owner.post(url)
    assert not PromptTemplate.objects.filter(slug="short").exists()


def test_a_chat_model_falls_back_only_to_another_chat_model(owner):
    provider = Provider.objects.create(name="Cloud", slug="cloud", kind="openai")
    one, two, vectors = (
        AIModel.objects.create(name=name, slug=name, provider=provider, model_name=name, purpose=purpose)
        for name, purpose in (("one", "chat"), ("two", "chat"), ("vectors", "rerank"))
    )

    page = owner.get(reverse("admin:magnet_aimodel_change", args=[one.pk]))

    offered = set(page.context["adminform"].form.fields["fallback"].queryset)
    assert two in offered
    assert not {one, vectors} & offered
    assert {model.purpose for model in offered} == {"chat"}


def test_what_the_product_writes_cannot_be_changed_by_anybody(owner):
    written = [model for model, page in admin.site._registry.items() if isinstance(page, ReadOnlyAdmin)]

    names = {"AuditEntry", "Conversation", "Delivery", "Erasure", "Feedback", "SyncRun", "Trace"}
    assert {model.__name__ for model in written} == names
    for model in written:
        add = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
        assert owner.get(add).status_code == 403


def test_an_empty_list_says_what_to_do(owner):
    response = owner.get(reverse("admin:knowledge_knowledgesource_changelist"))

    assert "A source is where documents come from" in response.content.decode()
    assert "Add knowledge source" in response.content.decode()


def test_a_person_signs_in_with_their_address_whatever_its_case(client):
    User.objects.create_superuser("olga@example.com", "a password of hers", name="Olga")

    response = client.post(
        reverse("admin:login"),
        {"username": "Olga@Example.com", "password": "a password of hers"},
        REMOTE_ADDR="10.0.0.1",
    )

    assert response.headers["Location"] == reverse("admin:index")


def test_guessing_a_password_is_slowed_down_with_a_sentence(client, settings):
    settings.AXES_FAILURE_LIMIT = 3
    User.objects.create_superuser("olga@example.com", "a password of hers")
    attempt = {"username": "olga@example.com", "password": "wrong"}
    for spelling in ("olga@example.com", "Olga@example.com", "OLGA@example.com"):
        guess = {**attempt, "username": spelling}
        response = client.post(reverse("admin:login"), guess, REMOTE_ADDR="10.0.0.2")

    assert response.status_code == 429
    assert "The password was wrong too often" in response.content.decode()
    right = client.post(reverse("admin:login"), {**attempt, "password": "a password of hers"}, REMOTE_ADDR="10.0.0.2")
    assert right.status_code == 429


def test_what_people_do_is_recorded_under_their_name(owner):
    provider = Provider.objects.create(name="Cloud", slug="cloud", kind="openai")

    owner.post(
        reverse("admin:magnet_provider_change", args=[provider.pk]),
        {
            "name": "Clouds",
            "timeout_seconds": "60",
            "config__output_limit": "automatic",
            "config__texts_per_request": "8",
        },
    )

    entry = AuditEntry.objects.get()
    assert (entry.actor_label, entry.verb, entry.object_label) == ("Olga", "changed", "Clouds")
    assert "Olga" in owner.get(reverse("admin:magnet_auditentry_change", args=[entry.pk])).content.decode()


def test_a_slug_that_was_left_empty_is_made_from_the_name(owner):
    for _time in range(2):
        filled_in = {"name": "Our Cloud", "is_active": "on", **OPTIONS}
        owner.post(reverse("admin:magnet_provider_add") + "?kind=openai", filled_in)

    assert set(Provider.objects.filter(name="Our Cloud").values_list("slug", flat=True)) == {"our-cloud", "our-cloud-2"}
