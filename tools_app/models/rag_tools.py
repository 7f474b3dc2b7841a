"""RAG tools: a question in, an answer with citations out, as an identity with versions."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from knowledge.models import KnowledgeSource
from magnet.models import AIModel, PromptTemplate
from magnet.models.versions import Version, Versioned, VersionedQuerySet
from tools_app.models.answer_checks import ANSWER_CHECK_SETTINGS, AnswerChecks
from tools_app.models.answer_prompts import fault_of
from tools_app.models.presentation import PRESENTATION_SETTINGS, Presentation
from tools_app.models.retrieval_settings import RETRIEVAL_SETTINGS, RetrievalSettings


class RagTool(Versioned):
    live = models.ForeignKey(
        "RagToolVersion", on_delete=models.RESTRICT, null=True, blank=True, editable=False, related_name="+"
    )
    draft = models.ForeignKey(
        "RagToolVersion", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    objects: ClassVar[Any] = VersionedQuerySet.as_manager()

    class Meta:
        verbose_name = _("RAG tool")
        verbose_name_plural = _("RAG tools")
        ordering = ["name"]
        permissions = [("publish_ragtool", _("Can publish RAG tools and undo it"))]

    def copy_relations(self, source: Any, draft: Any) -> None:
        RagToolSource.objects.bulk_create(
            RagToolSource(version=draft, source_id=row.source_id) for row in source.tool_sources.all()
        )


class RagToolVersion(Version, RetrievalSettings, AnswerChecks, Presentation):
    SETTINGS = (
        *RETRIEVAL_SETTINGS,
        "prompt_template",
        "ai_model",
        "nothing_found_text",
        *ANSWER_CHECK_SETTINGS,
        *PRESENTATION_SETTINGS,
    )

    identity = models.ForeignKey(RagTool, on_delete=models.CASCADE, related_name="versions")
    sources = models.ManyToManyField(
        KnowledgeSource, through="RagToolSource", related_name="+", verbose_name=_("sources")
    )
    prompt_template = models.ForeignKey(
        PromptTemplate,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("prompt template"),
        help_text=_("Empty: the prompt template `rag-answer`."),
    )
    ai_model = models.ForeignKey(
        AIModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        limit_choices_to=Q(purpose="chat"),
        related_name="+",
        verbose_name=_("model"),
        help_text=_("Empty: the model of the prompt template, else the default chat model."),
    )
    nothing_found_text = models.TextField(
        _("when nothing is found"),
        default="I found nothing about that.",
        help_text=_("Said without a model call."),
    )

    class Meta(Version.Meta):
        verbose_name = _("version of a RAG tool")
        verbose_name_plural = _("versions of RAG tools")
        constraints = [models.UniqueConstraint(fields=["identity", "number"], name="rag_tool_version_number_is_unique")]

    def clean(self) -> None:
        super().clean()
        # Once more at each question: a template may change after this.
        if self.prompt_template is not None and (fault := fault_of(self.prompt_template)):
            raise ValidationError({"prompt_template": fault})

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "sources": self.source_slugs()}

    def source_slugs(self) -> list[str]:
        return sorted(row.source.slug for row in self.tool_sources.select_related("source"))

    def apply(self, changes: dict[str, Any]) -> None:
        """As for every version; `sources` is a list of KnowledgeSource rows."""
        changes = dict(changes)
        sources = changes.pop("sources", None)
        super().apply(changes)
        if sources is not None:
            self.tool_sources.all().delete()
            RagToolSource.objects.bulk_create(RagToolSource(version=self, source=source) for source in sources)


class RagToolSource(models.Model):
    """A version's use of a source; PROTECT, so that a source in use cannot be deleted unnoticed."""

    version = models.ForeignKey(RagToolVersion, on_delete=models.CASCADE, related_name="tool_sources")
    source = models.ForeignKey(KnowledgeSource, on_delete=models.PROTECT, related_name="rag_tool_sources")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "source"], name="rag_tool_names_a_source_once")]

    def __str__(self) -> str:
        return str(self.source)
