"""People: invited by a link that works once, and kept from giving themselves more rights."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.test import Client
from django.urls import reverse

from magnet.models import AuditEntry, User
from magnet.web.auth import caller_for

pytestmark = pytest.mark.django_db
PASSWORD = "a long sentence of mine"


def invite(client, address="vera@example.com", **fields):
    form = {"email": address, "name": "Vera", "is_staff": "on", **fields}
    response = client.post(reverse("admin:magnet_user_add"), form)
    assert response.status_code == 200, response.content.decode()
    return response, response.context["link"]


def follow(link, password=PASSWORD):
    client = Client()
    path = link.partition("//")[2].partition("/")[2]
    form = client.get(f"/{path}", follow=True)
    if "form" not in form.context or form.context["form"] is None:
        return client, form
    answer = client.post(form.redirect_chain[-1][0], {"new_password1": password, "new_password2": password})
    return client, answer


def test_an_invitation_is_a_link_that_works_once(owner):
    response, link = invite(owner)
    invited = User.objects.get(email="vera@example.com")

    assert not invited.has_usable_password()
    assert "no-store" in response.headers["Cache-Control"]
    client, answer = follow(link)
    assert answer.headers["Location"] == reverse("admin:index")
    assert client.get(reverse("admin:index")).status_code == 200
    assert User.objects.get(email="vera@example.com").check_password(PASSWORD)
    _, again = follow(link)
    assert "This link no longer works" in again.content.decode()
    assert AuditEntry.objects.filter(verb="invited", object_id=str(invited.pk)).exists()


def test_the_page_of_an_invitation_looks_like_the_sign_in(owner):
    _, link = invite(owner)

    page = Client().get(f"/{link.partition('//')[2].partition('/')[2]}", follow=True).content.decode()

    sign_in = Client().get(reverse("admin:login")).content.decode()
    for piece in ("magnet/admin.css", "magnet/magnet.svg", 'class="mg-signin"', "mg-button mg-primary"):
        assert piece in page
        assert piece in sign_in
    assert "Welcome, Vera." in page


def test_an_invitation_is_also_sent_where_mail_is_configured(owner, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    invite(owner)

    assert mail.outbox[0].to == ["vera@example.com"]
    assert "/choose-password/" in mail.outbox[0].body


def test_an_invitation_goes_on_when_the_mail_server_is_down(owner, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 1

    response, link = invite(owner)

    assert link in response.content.decode()
    assert "Send it to vera@example.com" in response.content.decode()


def test_the_same_address_is_not_invited_twice(owner):
    invite(owner)

    response = owner.post(reverse("admin:magnet_user_add"), {"email": "VERA@example.com", "name": "Vera"})

    assert "Somebody with this e-mail address exists already." in response.content.decode()
    assert User.objects.filter(email__iexact="vera@example.com").count() == 1


def test_a_new_password_link_is_made_by_a_button_and_not_by_a_visit(owner):
    invite(owner)
    vera = User.objects.get(email="vera@example.com")
    url = reverse("admin:magnet_user_new_link", args=[vera.pk])

    assert owner.get(url).status_code == 405
    assert "choose-password" in owner.post(url).content.decode()


def test_an_owner_who_is_no_administrator_cannot_become_one(member):
    client = member("Owner")
    administrator = User.objects.create_superuser("olga@example.com", PASSWORD, name="Olga")
    me = User.objects.get(email="owner@example.com")

    change = reverse("admin:magnet_user_change", args=[me.pk])
    client.post(change, {"email": me.email, "name": "Me", "is_active": "on", "is_superuser": "on"})
    link = client.post(reverse("admin:magnet_user_new_link", args=[administrator.pk]))
    deletion = client.post(reverse("admin:magnet_user_delete", args=[administrator.pk]))

    me.refresh_from_db()
    assert (me.name, me.is_superuser) == ("Me", False)
    assert (link.status_code, deletion.status_code) == (403, 403)
    assert User.objects.filter(pk=administrator.pk).exists()


def test_a_person_who_owns_keys_is_switched_off_instead_of_deleted(owner):
    from magnet.models import ApiKey

    vera = User.objects.create_user("vera@example.com")
    ApiKey.objects.issue(name="Website", scopes=["all"], owner=vera)

    page = owner.post(reverse("admin:magnet_user_delete", args=[vera.pk])).content.decode()

    assert "is still in use" in page
    assert "Website" in page
    assert User.objects.filter(pk=vera.pk).exists()


def test_a_group_is_shown_as_things_and_what_may_be_done_with_them(owner, member):
    member("Editor")
    editors = Group.objects.get(name="Editor")

    page = owner.get(reverse("admin:auth_group_change", args=[editors.pk])).content.decode()

    assert "Knowledge sources" in page
    assert "publish and undo" in page
    assert "ledger" not in page.lower()


# -- Nobody climbs -----------------------------------------------------------------------------------------------


@pytest.fixture
def desk(member):
    """Somebody who may invite people and edit groups, and otherwise only sees tools and knowledge."""
    client = member("Viewer")
    viewer = User.objects.get(email="viewer@example.com")
    names = [f"{verb}_{model}" for verb in ("add", "change", "delete", "view") for model in ("user", "group")]
    viewer.user_permissions.set(Permission.objects.filter(codename__in=names))
    return client


def test_nobody_gives_a_group_that_may_do_more_than_they(desk):
    viewers, owners = Group.objects.get(name="Viewer"), Group.objects.get(name="Owner")
    url = reverse("admin:magnet_user_add")

    refused = desk.post(url, {"email": "vera@example.com", "name": "Vera", "groups": [owners.pk]})
    invited = desk.post(url, {"email": "otto@example.com", "name": "Otto", "groups": [viewers.pk]})

    assert "Select a valid choice" in refused.content.decode()
    assert not User.objects.filter(email="vera@example.com").exists()
    assert invited.context["link"]


def test_nobody_changes_switches_off_or_gets_a_link_for_somebody_who_may_do_more(desk, member):
    member("Editor")
    editor = User.objects.get(email="editor@example.com")
    User.objects.filter(pk=editor.pk).update(is_active=False)

    for page, status in (("change", 403), ("new_link", 403), ("delete", 403)):
        assert desk.post(reverse(f"admin:magnet_user_{page}", args=[editor.pk])).status_code == status, page

    editor.refresh_from_db()
    assert not editor.is_active


def test_nobody_puts_rights_into_a_group_that_they_do_not_have(desk):
    viewers, editors = Group.objects.get(name="Viewer"), Group.objects.get(name="Editor")
    before = viewers.permissions.count()
    more = Permission.objects.get(codename="delete_knowledgesource")

    answer = desk.post(
        reverse("admin:auth_group_change", args=[viewers.pk]), {"name": "Viewer", "permissions": [more.pk]}
    )

    assert "Select a valid choice" in answer.content.decode()
    assert viewers.permissions.count() == before
    assert desk.post(reverse("admin:auth_group_change", args=[editors.pk]), {"name": "X"}).status_code == 403


def test_nobody_gives_groups_of_documents_that_they_may_not_find(desk):
    me = User.objects.get(email="viewer@example.com")
    invitation = {"email": "vera@example.com", "name": "Vera", "document_groups": "HR"}

    invited = desk.post(reverse("admin:magnet_user_add"), invitation)
    change = reverse("admin:magnet_user_change", args=[me.pk])
    climbed = desk.post(change, {"email": me.email, "name": "Me", "is_active": "on", "document_groups": "HR"})

    assert "You may not find documents of hr yourself." in invited.content.decode()
    assert "You may not find documents of hr yourself." in climbed.content.decode()
    me.refresh_from_db()
    assert (me.document_groups, User.objects.filter(email="vera@example.com").exists()) == ([], False)


def test_nobody_gets_a_link_for_somebody_who_may_find_more(desk, owner):
    person = {"email": "vera@example.com", "name": "Vera", "document_groups": "HR"}
    owner.post(reverse("admin:magnet_user_add"), person)
    vera = User.objects.get(email="vera@example.com")

    refused = desk.post(reverse("admin:magnet_user_new_link", args=[vera.pk]))
    allowed = owner.post(reverse("admin:magnet_user_new_link", args=[vera.pk]))

    assert (refused.status_code, allowed.status_code) == (403, 200)


# -- Whose address it is -----------------------------------------------------------------------------------------


def mailed_link():
    return next(word for word in mail.outbox[-1].body.split() if "choose-password" in word)


def groups_of(address):
    return set(caller_for(User.objects.get(email=address)).groups or ())


@pytest.fixture
def mail_server(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def test_who_comes_by_the_link_in_the_mail_has_proved_the_address(owner, mail_server):
    _, shown = invite(owner)
    assert groups_of("vera@example.com") == set()
    assert shown not in mail.outbox[0].body

    _, answer = follow(mailed_link())

    assert answer.headers["Location"] == reverse("admin:index")
    assert groups_of("vera@example.com") == {"vera@example.com", "example.com"}
    assert "This link no longer works" in follow(shown)[1].content.decode()


def test_who_comes_by_a_link_that_others_have_seen_has_proved_nothing(owner, mail_server):
    _, link = invite(owner)
    follow(link)
    assert groups_of("vera@example.com") == set()


def test_whoever_takes_an_account_over_by_a_shown_link_gets_no_documents_of_its_address(owner, mail_server):
    invite(owner)
    follow(mailed_link())
    vera = User.objects.get(email="vera@example.com")

    link = owner.post(reverse("admin:magnet_user_new_link", args=[vera.pk])).context["link"]
    follow(link, "another long sentence")

    assert groups_of("vera@example.com") == set()


def test_a_new_address_is_not_proved_by_the_old_one(owner, mail_server):
    invite(owner)
    follow(mailed_link())
    vera = User.objects.get(email="vera@example.com")

    page = reverse("admin:magnet_user_change", args=[vera.pk])
    owner.post(page, {"email": "boss@example.com", "name": "Vera", "is_active": "on"})

    assert groups_of("boss@example.com") == set()
    assert "Not confirmed" in owner.get(page).content.decode()


def test_an_owner_confirms_an_address_and_nobody_else_does(owner, member):
    invite(owner)
    vera = User.objects.get(email="vera@example.com")
    confirm = reverse("admin:magnet_user_confirm_email", args=[vera.pk])
    recruiter = member("Viewer")
    rights = Permission.objects.filter(codename__in=["view_user", "change_user"])
    User.objects.get(email="viewer@example.com").user_permissions.set(rights)
    page = reverse("admin:magnet_user_change", args=[vera.pk])

    assert "Confirm the address" not in recruiter.get(page).content.decode()
    recruiter.post(confirm)
    assert groups_of("vera@example.com") == set()

    assert "Confirm the address" in owner.get(page).content.decode()
    owner.post(confirm)
    assert groups_of("vera@example.com") == {"vera@example.com", "example.com"}
    assert AuditEntry.objects.filter(verb="confirmed the address of", object_id=str(vera.pk)).exists()


# -- Who may open the admin ------------------------------------------------------------------------------------------


def test_an_invitation_says_in_plain_words_who_may_open_the_admin(owner):
    page = owner.get(reverse("admin:magnet_user_add")).content.decode()

    assert "May open the admin" in page
    assert "/ask/ and see there what they may ask" in page
    assert 'name="is_staff"' in page


def test_a_colleague_is_invited_who_only_asks(owner, member):
    member("Viewer")
    viewers = Group.objects.get(name="Viewer")
    _, link = invite(owner, is_staff="", groups=[viewers.pk])

    client, answer = follow(link)

    vera = User.objects.get(email="vera@example.com")
    assert (vera.is_staff, list(vera.groups.all())) == (False, [viewers])
    assert answer.headers["Location"] == reverse("ask")
    assert client.get(reverse("ask")).status_code == 200
    assert client.get(reverse("admin:magnet_trace_changelist")).status_code == 302


def test_the_admin_is_closed_to_somebody_later_and_opened_again(owner):
    vera = User.objects.create_user("vera@example.com", PASSWORD)
    client, change = Client(), reverse("admin:magnet_user_change", args=[vera.pk])
    client.force_login(vera, backend="django.contrib.auth.backends.ModelBackend")
    seen = []

    for form in ({}, {"is_staff": "on"}):
        owner.post(change, {"email": vera.email, "name": "Vera", "is_active": "on", **form})
        seen.append(client.get(reverse("admin:index")).status_code)

    assert seen == [302, 200]


def test_nobody_locks_themselves_out_of_the_admin(owner):
    me = User.objects.get(email="olga@example.com")

    owner.post(
        reverse("admin:magnet_user_change", args=[me.pk]),
        {"email": me.email, "name": "Me", "is_active": "on", "is_superuser": "on"},
    )

    me.refresh_from_db()
    assert (me.name, me.is_staff) == ("Me", True)


def test_the_page_of_a_person_writes_the_address_as_it_is(owner):
    person = User.objects.create_user(email="ilze@example.com")

    page = owner.get(reverse("admin:magnet_user_change", args=[person.pk])).content.decode()

    assert "ilze@example.com" in page
    assert "Ilze@example.com" not in page
