"""What was deleted and when, in fingerprints that tell nothing of it: so that its absence can be proved."""

from __future__ import annotations

import hashlib

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from knowledge.models.documents import Document
from knowledge.models.sources import KnowledgeSource


def title_key(title: str) -> str:
    """The fingerprint of a title, however its letters are written."""
    return hashlib.sha256(title.strip().casefold().encode()).hexdigest()


class DeletedDocument(models.Model):
    """A document that is gone: its former id, and hashes of its id in the source and of its title."""

    id = models.UUIDField(primary_key=True, editable=False)
    source = models.ForeignKey(
        KnowledgeSource, on_delete=models.CASCADE, related_name="deleted_documents", verbose_name=_("source")
    )
    remote_key = models.CharField(max_length=64)
    title_key = models.CharField(max_length=64)
    # Its name is the hash of what it held.
    file = models.CharField(max_length=300, blank=True)
    deleted_at = models.DateTimeField(_("deleted"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("deleted document")
        verbose_name_plural = _("deleted documents")
        ordering = ["-deleted_at"]
        indexes = [
            models.Index(fields=["source", "remote_key"], name="deleted_by_remote_key"),
            models.Index(fields=["source", "title_key"], name="deleted_by_title_key"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def of(cls, document: Document) -> DeletedDocument:
        """The fingerprints of a document that is about to go (not saved)."""
        return cls(
            id=document.pk,
            source_id=document.source_id,
            remote_key=document.remote_key,
            title_key=title_key(document.title),
            file=document.file.name or "",
        )
