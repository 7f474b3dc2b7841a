"""The ask page: who may ask, what it shows of the live version, and nothing that could run."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from magnet import groups
from magnet.admin.invitations import link_for
from magnet.default_prompts import ensure_default_prompts
from magnet.models import User
from tests import factories
from tests.fixtures_admin import HOSTILE, signed_in
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db

PASSWORD = "a long sentence of theirs"


@pytest.fixture
def tool(db):
    ensure_default_prompts()
    settings = {"sources": [factories.source()]}
    return RagTool.objects.create_live(name="Staff help", slug="staff-help", description="Rules.", settings=settings)


@pytest.fixture
def asker(db):
    """Somebody who may ask, and may not use the admin."""
    groups.seed()
    user = User.objects.create_user("ada@example.com", PASSWORD, name="Ada", is_staff=False)
    user.groups.add(*groups.Group.objects.filter(name="Viewer"))
    return user


def publish(tool, **changes):
    tool.edit(changes)
    return tool.publish()


def sign_in(client, *, to, email="ada@example.com"):
    return client.post(f"{reverse('admin:login')}?next={to}", {"username": email, "password": PASSWORD, "next": to})


# -- Who may ask -----------------------------------------------------------------------------------------------------


def test_whoever_is_not_signed_in_is_sent_to_the_sign_in_and_back(tool, asker):
    client = Client()

    there = client.get("/ask/staff-help")
    page = client.get(there.headers["Location"])
    back = client.post(there.headers["Location"], {"username": asker.email, "password": PASSWORD})

    assert there.headers["Location"] == f"{reverse('ask_sign_in')}?next=/ask/staff-help"
    assert "Password" in page.content.decode()
    assert "admin" not in page.content.decode().lower()
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert back.headers["Location"] == "/ask/staff-help"
    assert client.get("/ask/staff-help").status_code == 200


def test_whoever_may_not_use_the_admin_lands_where_they_can_ask(tool, asker):
    client = Client()

    response = sign_in(client, to=reverse("admin:index"))

    assert response.headers["Location"] == "/ask/"
    assert "Staff help" in client.get("/ask/").content.decode()
    assert client.get(reverse("admin:index")).status_code == 302
    assert "Ask a question" in client.get(reverse("admin:login")).content.decode()


def test_staff_land_in_the_admin_as_before(tool, asker):
    User.objects.filter(pk=asker.pk).update(is_staff=True)

    assert sign_in(Client(), to=reverse("admin:index")).headers["Location"] == reverse("admin:index")


def test_a_wrong_password_and_a_person_switched_off_stay_out(tool, asker):
    User.objects.filter(pk=asker.pk).update(is_active=False)
    client = Client()

    assert sign_in(client, to="/ask/").status_code == 200
    assert client.get("/ask/").status_code == 302


def test_a_person_without_the_right_is_told_whom_to_ask(tool):
    client = signed_in(User.objects.create_user("bob@example.com", PASSWORD))

    response = client.get("/ask/staff-help")

    assert response.status_code == 403
    assert "the group Viewer" in response.content.decode()


def test_a_wrong_password_is_told_on_the_plain_page_and_leads_nowhere_else(tool, asker):
    url = f"{reverse('ask_sign_in')}?next=https://elsewhere.example/"

    wrong = Client().post(url, {"username": asker.email, "password": "something"})
    right = Client().post(url, {"username": asker.email, "password": PASSWORD})

    assert "do not belong together" in wrong.content.decode()
    assert right.headers["Location"] == "/ask/"


def test_signing_out_works_without_the_admin(tool, asker):
    client = signed_in(asker)

    response = client.post(reverse("ask_sign_out"))

    assert response.headers["Location"] == "/ask/"
    assert client.get("/ask/").status_code == 302


def test_an_invited_colleague_without_the_admin_arrives_where_they_can_ask(tool, asker):
    client = Client()
    form = client.get(link_for(asker), follow=True).redirect_chain[-1][0]

    response = client.post(form, {"new_password1": f"{PASSWORD}!", "new_password2": f"{PASSWORD}!"})

    assert response.headers["Location"] == "/ask/"
    assert "Staff help" in client.get("/ask/").content.decode()


# -- What can be asked ---------------------------------------------------------------------------------------------


def test_only_what_is_published_can_be_asked(tool, asker):
    RagTool(name="Not yet", slug="not-yet").save()
    client = signed_in(asker)

    assert "Not yet" not in client.get("/ask/").content.decode()
    unpublished, unknown = client.get("/ask/not-yet"), client.get("/ask/nowhere")
    assert (unpublished.status_code, unknown.status_code) == (404, 404)
    assert "“Not yet” is not published yet." in unpublished.content.decode()
    assert "There is nothing to ask at this address." in unknown.content.decode()


def test_an_installation_without_tools_says_so(asker):
    assert "Nothing has been published yet" in signed_in(asker).get("/ask/").content.decode()


def test_the_page_shows_what_is_live_and_not_the_draft(tool, asker):
    publish(tool, header="Ask about rules", introduction="All about holidays.", sample_questions=["How many days?"])
    tool.edit({"header": "A draft"})

    page = signed_in(asker).get("/ask/staff-help").content.decode()

    assert "<h1>Ask about rules</h1>" in page
    assert "All about holidays." in page
    assert ">How many days?</button>" in page
    assert "A draft" not in page
    assert "No language model configured: these are quotes." in page
    assert 'data-answer-url="/api/rag-tools/staff-help/answer"' in page


def test_the_name_and_the_description_stand_in_for_what_is_empty(tool, asker):
    page = signed_in(asker).get("/ask/staff-help").content.decode()

    assert "<h1>Staff help</h1>" in page
    assert "Rules." in page
    assert "data-sample" not in page


def test_feedback_is_asked_for_unless_the_tool_does_not_want_it(tool, asker):
    client = signed_in(asker)
    assert 'data-rate="like"' in client.get("/ask/staff-help").content.decode()

    publish(tool, takes_feedback=False)

    assert 'data-rate="like"' not in client.get("/ask/staff-help").content.decode()


def test_links_into_the_admin_are_for_those_who_may_open_them(tool, asker, owner):
    theirs, hers = (client.get("/ask/staff-help").content.decode() for client in (signed_in(asker), owner))

    assert 'data-document-url=""' in theirs
    assert 'data-trace-url=""' in theirs
    assert "/admin/knowledge/document/" in hers
    assert "/admin/magnet/trace/" in hers


def test_nothing_on_the_page_can_run_or_come_from_elsewhere(tool, asker):
    publish(tool, header=HOSTILE[:120], introduction=HOSTILE, sample_questions=[HOSTILE])

    response = signed_in(asker).get("/ask/staff-help")

    page = response.content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("<script") == 1
    assert "style=" not in page
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "no-store" in response.headers["Cache-Control"]


# -- In the admin ----------------------------------------------------------------------------------------------------


def test_staff_find_the_page_on_the_tool_in_the_list_and_after_publishing(tool, owner, settings):
    tool.edit({"header": "Ask about rules"})
    change = reverse("admin:tools_app_ragtool_change", args=[tool.pk])

    page = owner.get(change).content.decode()
    listed = owner.get(reverse("admin:tools_app_ragtool_changelist")).content.decode()
    published = owner.post(reverse("admin:tools_app_ragtool_publish_now", args=[tool.pk]), follow=True)

    assert f"{settings.PUBLIC_URL}/ask/staff-help" in page
    assert 'href="/ask/staff-help"' in listed
    assert '<a class="mg-link" href="/ask/staff-help">Open the ask page</a>' in published.content.decode()


def test_a_name_cannot_slip_markup_into_the_message_of_publishing(owner):
    source = factories.source("wiki")
    tool = RagTool.objects.create_live(name=HOSTILE, slug="hostile", settings={"sources": [source]})
    tool.edit({"header": "Ask"})

    published = owner.post(reverse("admin:tools_app_ragtool_publish_now", args=[tool.pk]), follow=True)

    assert "<script>alert" not in published.content.decode()


def test_how_a_tool_is_shown_is_a_setting_of_its_draft(tool, owner):
    change = reverse("admin:tools_app_ragtool_change", args=[tool.pk])
    form = owner.get(change).context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    values = {name: value for name, value in values.items() if value is not None and value is not False}
    shown = {"header": "Rules", "sample_questions": "How many days?\n\n  Who decides?  ", "link_titles": "heading"}

    response = owner.post(change, values | shown | {"tags": ""})

    assert response.status_code == 302, response.context["adminform"].errors
    tool.refresh_from_db()
    assert (tool.draft.header, tool.draft.link_titles) == ("Rules", "heading")
    assert tool.draft.sample_questions == ["How many days?", "Who decides?"]
    differences = owner.get(reverse("admin:tools_app_ragtool_publish", args=[tool.pk])).context["differences"]
    assert ("(empty)", "How many days?\nWho decides?") in [(row.old, row.new) for row in differences]


def test_too_many_sample_questions_are_refused_beside_their_field(tool, owner):
    change = reverse("admin:tools_app_ragtool_change", args=[tool.pk])

    response = owner.post(change, {"sample_questions": "\n".join(f"Question {n}?" for n in range(13))})

    assert response.context["adminform"].form.errors["sample_questions"]
