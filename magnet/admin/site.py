"""The admin's front door."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class MagnetAdminSite(UnfoldAdminSite):
    pass


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    return []
