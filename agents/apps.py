from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = _("Agents")

    def ready(self) -> None:
        # Tables can be imported only now.
        from agents.transfer import agent_kinds
        from agents.uses import actions_that_use
        from magnet import transfer
        from magnet.models.uses import brings_users

        transfer.register(*agent_kinds())
        brings_users(actions_that_use)
