from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KnowledgeConfig(AppConfig):
    name = "knowledge"
    verbose_name = _("Knowledge")

    def ready(self) -> None:
        # Tables can be imported only now.
        from knowledge import vectors
        from knowledge.models.documents import are_hidden
        from magnet import trace_texts

        vectors.check_settings()
        trace_texts.ask(are_hidden)
