"""The page of plug-ins: what is installed, what each adds, and why one was refused."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from magnet import plugins
from magnet.admin.home import Notice, brings_notices

PERMISSION = "magnet.view_provider"


def plugins_page(request: HttpRequest) -> HttpResponseBase:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    request.current_app = admin.site.name  # type: ignore[attr-defined]  # as Django's own admin views do
    context = {
        **admin.site.each_context(request),
        "title": _("Plug-ins"),
        "plugins": plugins.installed(),
        "points": ", ".join(settings.EXTENSION_POINTS),
    }
    return TemplateResponse(request, "magnet/plugins.html", context)


@brings_notices
def refused(request: HttpRequest) -> Iterator[Notice]:
    count = sum(1 for found in plugins.installed() if found.status is plugins.Status.REFUSED)
    if count and request.user.has_perm(PERMISSION):
        text = ngettext("%(n)d plug-in is not used.", "%(n)d plug-ins are not used.", count) % {"n": count}
        yield Notice(text, url=reverse("admin:plugins"), action=_("See why"))
