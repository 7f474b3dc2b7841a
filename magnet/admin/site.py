"""The admin's front door: who is calling, the sign-in form, and the menu in the order of the house."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from magnet.admin.base import MagnetAdmin, wants_json
from magnet.admin.invitations import choose_password
from magnet.admin.menu import SECTIONS
from magnet.admin.moving import move_page
from magnet.admin.plugins import plugins_page
from magnet.admin.sign_in import SignInForm, after_sign_in
from magnet.admin.usage import usage_page
from magnet.callers import Caller, acting_as, current_caller
from magnet.models import User
from magnet.web.auth import caller_for


class MagnetAdminSite(UnfoldAdminSite):
    index_title = _("Home")

    login_form = SignInForm

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        return after_sign_in(request, super().login(request, extra_context))

    def register(self, models: Any, admin_class: Any = None, **options: Any) -> None:
        """What libraries register for their own tables (queue, locks, tags) is not for staff and stays out."""
        if isinstance(admin_class, type) and issubclass(admin_class, MagnetAdmin):
            super().register(models, admin_class, **options)

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("usage/", self.admin_view(usage_page), name="usage"),
            path("move/", self.admin_view(move_page), name="move"),
            path("plugins/", self.admin_view(plugins_page), name="plugins"),
            # Whoever follows an invitation cannot sign in yet, so the link itself is the proof.
            path("choose-password/<uidb64>/<token>/", choose_password, name="choose_password"),
        ]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """As Django's, with the person bound as the caller, so that what they do is recorded under their name."""

        @wraps(view)
        def with_caller(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            with acting_as(caller_of(request)):
                return self.answered(view, request, *args, **kwargs)

        return super().admin_view(with_caller, cacheable)

    def answered(self, view: Callable[..., Any], request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """What `view` answers; a refusal is told inside the frame of the admin, from where people find back."""
        try:
            response: HttpResponseBase = view(request, *args, **kwargs)
        except PermissionDenied:
            text = gettext("Your groups do not allow this page. Ask an owner if you need it.")
            return self.refusal(request, gettext("Not allowed"), text, status=403)
        except Http404:
            text = gettext("There is nothing at this address. It may have been deleted, or the link is incomplete.")
            return self.refusal(request, gettext("Nothing here"), text, status=404)
        return response

    def refusal(self, request: HttpRequest, title: str, text: str, *, status: int) -> HttpResponseBase:
        if wants_json(request):
            return JsonResponse({"detail": text}, status=status)
        request.current_app = self.name  # type: ignore[attr-defined]  # as Django's own admin views do
        context = {**self.each_context(request), "title": title, "text": text}
        return TemplateResponse(request, "magnet/refusal.html", context, status=status)


def caller_of(request: HttpRequest) -> Caller:
    user = request.user
    if not isinstance(user, User):
        return current_caller()
    return replace(caller_for(user), request_id=current_caller().request_id)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """settings.UNFOLD["SIDEBAR"]: Home, then the sections with what their admins say of themselves (`menu`)."""
    sections: list[dict[str, Any]] = [{"items": [{"title": _("Home"), "icon": "home", "link": reverse("admin:index")}]}]
    pages = [page for page in admin.site._registry.values() if may_see(page, request)]
    for title in SECTIONS:
        items = [item for page in pages for item in menu_items(page, section=title)]
        if items:
            items.sort(key=lambda item: item["order"])
            sections.append({"title": title, "separator": True, "items": items})
    return sections


def may_see(page: ModelAdmin[Any], request: HttpRequest) -> bool:
    return bool(getattr(page, "menu", ())) and page.has_view_or_change_permission(request)


def menu_items(page: Any, *, section: Any) -> list[dict[str, Any]]:
    return [
        {"title": entry.title, "icon": entry.icon, "link": reverse(entry.url), "order": entry.order}
        for entry in page.menu
        if entry.section is section
    ]


def in_menu_words(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The path above a page (`title`, `link`) with the section and the title that the menu has for it."""
    titles = {
        reverse(entry.url): entry for page in admin.site._registry.values() for entry in getattr(page, "menu", ())
    }
    for at, part in enumerate(parts):
        entry = titles.get(str(part.get("link", "")))
        if entry is not None:
            # A section has no page of its own.
            return [{"title": entry.section}, {**part, "title": entry.title}, *parts[at + 1 :]]
    return parts
