from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = _("Conversations")

    def ready(self) -> None:
        # Tables can be imported only now.
        from conversations import event_log, notices, quotations
        from knowledge import ledger
        from magnet import database

        database.hear(event_log.CHANNEL, notices.heard)
        ledger.blank_too(quotations.blank)
