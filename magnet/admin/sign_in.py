"""Signing in: the e-mail address is the login, and whoever may not use the admin goes to the pages where they ask."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.contrib.auth.forms import AuthenticationForm as AuthForm
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm


def address_tried(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """settings.AXES_USERNAME_CALLABLE: whom a sign-in is about; another case of the letters is no other person."""
    given = (credentials or {}).get("username") or request.POST.get("username", "")
    return str(given).strip().lower()


class SignInForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("This e-mail address and password do not belong together. Mind capitals in the password."),
    }

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.fields["username"].label = _("E-mail address")
        self.fields["username"].widget.input_type = "email"
        self.fields["username"].widget.attrs["autocomplete"] = "username"

    def confirm_login_allowed(self, user: Any) -> None:
        """Whoever is active may sign in; the admin itself asks for more."""
        AuthForm.confirm_login_allowed(self, user)


def after_sign_in(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Where `response` leads, but nobody into an admin that they may not use."""
    user: Any = request.user
    if not (user.is_authenticated and user.is_active and not user.is_staff):
        return response
    is_signed_in_now = request.method == "POST" and response.status_code == HTTPStatus.FOUND
    leads_to_the_admin = response.get("Location", "").startswith(reverse("admin:index"))
    return HttpResponseRedirect(reverse("ask")) if is_signed_in_now and leads_to_the_admin else response
