"""Invitations and new passwords by link: signed, used once, and gone when the password changes or time runs out.

A link that was sent by mail is another one than that which the inviter sees: whoever uses it has proved the address.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.tokens import PasswordResetTokenGenerator, default_token_generator
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN, PasswordResetConfirmView
from django.core.mail import send_mail
from django.http import HttpResponse
from django.urls import reverse, reverse_lazy
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from unfold.widgets import BASE_INPUT_CLASSES

from magnet.alerts import can_send_mail
from magnet.models import User


class MailedLinks(PasswordResetTokenGenerator):
    """Makes the tokens that are only ever sent to the address itself, which is a part of them."""

    key_salt = "magnet.admin.invitations.MailedLinks"


mailed_links = MailedLinks()


class Links:
    """Lets in with either kind of link."""

    def check_token(self, user: User | None, token: str | None) -> bool:
        return default_token_generator.check_token(user, token) or mailed_links.check_token(user, token)


class ChoosePasswordForm(SetPasswordForm):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they come
        for field in self.fields.values():
            field.widget.attrs["class"] = " ".join(BASE_INPUT_CLASSES)


class ChoosePassword(PasswordResetConfirmView):
    template_name = "magnet/choose_password.html"
    form_class = ChoosePasswordForm
    success_url = reverse_lazy("admin:index")
    post_reset_login = True
    post_reset_login_backend = "django.contrib.auth.backends.ModelBackend"
    token_generator: Any = Links()

    def get_success_url(self) -> str:
        person: Any = self.user
        return super().get_success_url() if person.is_staff else reverse("ask")

    def form_valid(self, form: Any) -> HttpResponse:
        """Somebody else has seen a link that did not come by mail: whoever uses it has not proved the address."""
        came_by_mail = mailed_links.check_token(self.user, self.request.session.get(INTERNAL_RESET_SESSION_TOKEN))
        response = super().form_valid(form)
        form.user.note_email(is_verified=came_by_mail)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With what every page of the admin needs, its style sheet among them."""
        return {**admin.site.each_context(self.request), **super().get_context_data(**kwargs)}


choose_password = ChoosePassword.as_view()


def link_for(user: User) -> str:
    """The one-time link with which `user` chooses a password; a new password or a sign-in makes it void."""
    return _link(user, default_token_generator)


def _link(user: User, links: PasswordResetTokenGenerator) -> str:
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    path = reverse("admin:choose_password", args=[uid, links.make_token(user)])
    return f"{settings.PUBLIC_URL}{path}"


def send(user: User) -> bool:
    """Send a link of its own when a mail server is configured; True when it was handed over."""
    if not can_send_mail():
        return False
    link = _link(user, mailed_links)
    days = settings.PASSWORD_RESET_TIMEOUT // 86_400
    text = ngettext("It works once, for %(n)d day.", "It works once, for %(n)d days.", days) % {"n": days}
    body = _("Hello %(name)s,\n\nchoose your password for Magnet here:\n\n%(link)s\n\n%(text)s\n") % {
        "name": user.get_short_name(),
        "link": link,
        "text": text,
    }
    return send_mail(_("Your access to Magnet"), body, None, [user.email]) == 1
