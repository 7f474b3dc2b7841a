"""How the admin looks: its name, its icon, its colours, and who draws its menu and home page (django-unfold)."""

from __future__ import annotations

from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

UNFOLD = {
    "SITE_TITLE": "Magnet",
    "SITE_HEADER": "Magnet",
    "SITE_SUBHEADER": _("Company knowledge, answered"),
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("magnet/magnet.svg")},
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "magnet.admin.home.dashboard",
    "STYLES": [lambda request: static("magnet/admin.css")],
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "magnet.admin.site.navigation",
    },
    "COLORS": {
        "primary": {
            "50": "#eef6ff",
            "100": "#d9eaff",
            "200": "#bcdbff",
            "300": "#8ec5ff",
            "400": "#59a3ff",
            "500": "#3380fb",
            "600": "#1d62e6",
            "700": "#174dc4",
            "800": "#19429f",
            "900": "#1a3b7d",
            "950": "#15264d",
        },
    },
}
