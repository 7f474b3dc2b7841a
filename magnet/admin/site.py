"""The admin's front door: who is calling, the sign-in form, and the menu in the order of the house."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from magnet.callers import Caller, acting_as, current_caller

# The menu, top down. A section without a page that the person may see is left out.
SECTIONS = (
    _("Conversations"),
    _("Agents"),
    _("Tools"),
    _("Knowledge"),
    _("Models"),
    _("Insight"),
    _("People and access"),
)


class MagnetAdminSite(UnfoldAdminSite):
    index_title = _("Home")

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """As Django's, with the person bound as the caller, so that what they do is recorded under their name."""

        @wraps(view)
        def with_caller(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            with acting_as(caller_of(request)):
                response: HttpResponseBase = view(request, *args, **kwargs)
                return response

        return super().admin_view(with_caller, cacheable)


def caller_of(request: HttpRequest) -> Caller:
    user = request.user
    if not user.is_authenticated:
        return current_caller()
    return replace(current_caller(), kind="user", id=str(user.pk), label=str(user))


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """settings.UNFOLD["SIDEBAR"]: Home, then the sections with what their admins say of themselves (`menu`)."""
    sections: list[dict[str, Any]] = [{"items": [{"title": _("Home"), "icon": "home", "link": reverse("admin:index")}]}]
    pages = [page for page in admin.site._registry.values() if may_see(page, request)]
    for title in SECTIONS:
        items = [item for page in pages for item in menu_items(page, section=str(title))]
        if items:
            items.sort(key=lambda item: item["order"])
            sections.append({"title": title, "separator": True, "items": items})
    return sections


def may_see(page: ModelAdmin[Any], request: HttpRequest) -> bool:
    return bool(getattr(page, "menu", ())) and page.has_view_or_change_permission(request)


def menu_items(page: Any, *, section: str) -> list[dict[str, Any]]:
    return [
        {"title": entry.title, "icon": entry.icon, "link": reverse(entry.url), "order": entry.order}
        for entry in page.menu
        if str(entry.section) == section
    ]
