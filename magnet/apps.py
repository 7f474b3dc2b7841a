import importlib

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _

from magnet import plugins


class MagnetConfig(AppConfig):
    name = "magnet"
    verbose_name = _("Platform")

    def ready(self) -> None:
        # Every app's kinds are importable by now, and no page or form has asked for them yet.
        plugins.load()


class MagnetAdminConfig(AdminConfig):
    """The admin, on a site of our own; each app's admin package is imported by autodiscovery."""

    default_site = "magnet.admin.site.MagnetAdminSite"

    def ready(self) -> None:
        # First of all: the package registers its pages while it is imported, and asking for the site imports it. The
        # other way round a second site would be made, and what was registered on the first would be lost.
        importlib.import_module("magnet.admin")
        super().ready()
        apps.get_app_config("auth").verbose_name = _("People and access")
