"""Retrieval tools: a question in, passages out, as an identity with versions. No language model writes."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models import KnowledgeSource
from magnet.models.versions import Version, Versioned, VersionedQuerySet
from tools_app.models.retrieval_settings import RETRIEVAL_SETTINGS, RetrievalSettings


class RetrievalTool(Versioned):
    live = models.ForeignKey(
        "RetrievalToolVersion", on_delete=models.RESTRICT, null=True, blank=True, editable=False, related_name="+"
    )
    draft = models.ForeignKey(
        "RetrievalToolVersion", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    objects: ClassVar[Any] = VersionedQuerySet.as_manager()

    class Meta:
        verbose_name = _("retrieval tool")
        verbose_name_plural = _("retrieval tools")
        ordering = ["name"]
        permissions = [("publish_retrievaltool", _("Can publish retrieval tools and undo it"))]

    def copy_relations(self, source: Any, draft: Any) -> None:
        RetrievalToolSource.objects.bulk_create(
            RetrievalToolSource(version=draft, source_id=row.source_id) for row in source.tool_sources.all()
        )


class RetrievalToolVersion(Version, RetrievalSettings):
    SETTINGS = RETRIEVAL_SETTINGS

    identity = models.ForeignKey(RetrievalTool, on_delete=models.CASCADE, related_name="versions")
    sources = models.ManyToManyField(
        KnowledgeSource, through="RetrievalToolSource", related_name="+", verbose_name=_("sources")
    )

    class Meta(Version.Meta):
        verbose_name = _("version of a retrieval tool")
        verbose_name_plural = _("versions of retrieval tools")
        constraints = [
            models.UniqueConstraint(fields=["identity", "number"], name="retrieval_tool_version_number_is_unique")
        ]

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
            RetrievalToolSource.objects.bulk_create(
                RetrievalToolSource(version=self, source=source) for source in sources
            )


class RetrievalToolSource(models.Model):
    """A version's use of a source; PROTECT, so that a source in use cannot be deleted unnoticed."""

    version = models.ForeignKey(RetrievalToolVersion, on_delete=models.CASCADE, related_name="tool_sources")
    source = models.ForeignKey(KnowledgeSource, on_delete=models.PROTECT, related_name="retrieval_tool_sources")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "source"], name="retrieval_tool_names_a_source_once")]

    def __str__(self) -> str:
        return str(self.source)
