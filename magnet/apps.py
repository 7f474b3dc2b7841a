from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class MagnetConfig(AppConfig):
    name = "magnet"
    verbose_name = _("Platform")


class MagnetAdminConfig(AdminConfig):
    """The admin, on a site of our own; each app's admin package is imported by autodiscovery."""

    default_site = "magnet.admin.site.MagnetAdminSite"
