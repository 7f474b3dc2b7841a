"""The sign-in form: the e-mail address is the login."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
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
