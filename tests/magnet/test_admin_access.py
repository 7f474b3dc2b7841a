"""API keys: shown once, given no more than their maker has, revoked for good."""

import pytest
from django.urls import reverse

from magnet.models import ApiKey, AuditEntry

pytestmark = pytest.mark.django_db
ADD = "admin:magnet_apikey_add"


def test_a_key_is_shown_once_and_stored_nowhere(owner):
    saved = owner.post(reverse(ADD), {"name": "Website", "scopes": ["rag-tools:run"]})
    assert saved.status_code == 302
    response = owner.get(saved.headers["Location"])
    again = owner.get(saved.headers["Location"], follow=True)

    key = response.context["key"]
    row = ApiKey.objects.find(key)
    assert key in response.content.decode()
    assert "no-store" in response.headers["Cache-Control"]
    assert key not in again.content.decode()
    assert "The key was shown once" in again.content.decode()
    assert ApiKey.objects.count() == 1
    assert (row.name, row.scopes, row.owner.name) == ("Website", ["rag-tools:run"], "Olga")
    page = owner.get(reverse("admin:magnet_apikey_change", args=[row.pk])).content.decode()
    assert key not in page
    assert AuditEntry.objects.get(verb="made").changes == {"scopes": ["rag-tools:run"]}


def test_nobody_grants_what_they_lack(member):
    from django.contrib.auth.models import Permission

    from magnet.models import User

    editor = member("Editor")
    User.objects.get(email="editor@example.com").user_permissions.set(
        Permission.objects.filter(codename__in=["add_apikey", "view_apikey"])
    )

    page = editor.get(reverse(ADD)).content.decode()
    response = editor.post(reverse(ADD), {"name": "Up", "scopes": ["all"]})

    assert "Ask RAG tools" in page
    assert "Everything, also what later versions add" not in page
    assert response.context["adminform"].errors["scopes"]
    assert not ApiKey.objects.exists()


def test_a_key_needs_a_right_and_a_future(owner):
    response = owner.post(
        reverse(ADD), {"name": "Website", "scopes": [], "expires_at_0": "2020-01-01", "expires_at_1": "12:00"}
    )

    errors = response.context["adminform"].errors
    assert errors["scopes"] == ["Choose at least one."]
    assert errors["expires_at"] == ["Choose a moment in the future."]


def test_a_revoked_key_stays_in_the_list_and_opens_nothing(owner):
    row, key = ApiKey.objects.issue(name="Website", scopes=["all"])
    url = reverse("admin:magnet_apikey_revoke", args=[row.pk])

    assert f'href="{url}"' in owner.get(reverse("admin:magnet_apikey_change", args=[row.pk])).content.decode()
    question = owner.get(url).content.decode()
    assert "Revoke “Website”?" in question
    assert "It has never been used." in question
    assert ApiKey.objects.find(key).is_usable
    owner.post(url)

    assert not ApiKey.objects.find(key).is_usable
    assert "Revoked" in owner.get(reverse("admin:magnet_apikey_changelist")).content.decode()
    assert owner.get(reverse("admin:magnet_apikey_delete", args=[row.pk])).status_code == 403


def test_what_a_key_may_do_is_not_changed_later(owner):
    row, _ = ApiKey.objects.issue(name="Website", scopes=["rag-tools:run"])

    owner.post(reverse("admin:magnet_apikey_change", args=[row.pk]), {"name": "Shop", "scopes": ["all"]})

    row.refresh_from_db()
    assert (row.name, row.scopes) == ("Shop", ["rag-tools:run"])
