from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ToolsConfig(AppConfig):
    name = "tools_app"
    verbose_name = _("Tools")

    def ready(self) -> None:
        # Tables can be imported only now.
        from magnet import transfer
        from tools_app.transfer import tool_kinds

        transfer.register(*tool_kinds())
