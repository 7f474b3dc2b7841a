from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KnowledgeConfig(AppConfig):
    name = "knowledge"
    verbose_name = _("Knowledge")

    def ready(self) -> None:
        # Tables can be imported only now.
        from knowledge import since_cited, vectors
        from knowledge.models.documents import are_hidden
        from knowledge.transfer import SourceKind
        from magnet import kept_passages, trace_texts, transfer

        vectors.check_settings()
        trace_texts.ask(are_hidden)
        kept_passages.ask(since_cited.standings)
        transfer.register(SourceKind())
