"""Chunks that people took out of searches, remembered by their text."""

from __future__ import annotations

import hashlib

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from knowledge.models.documents import Document


def text_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class DisabledChunk(models.Model):
    """A text of a document that no search finds: by its hash, so that it stays out when the document is cut again."""

    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="disabled_chunks", verbose_name=_("document")
    )
    text_hash = models.BinaryField(max_length=32)
    actor_label = models.CharField(_("who"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("since"), default=timezone.now)

    class Meta:
        verbose_name = _("disabled chunk")
        verbose_name_plural = _("disabled chunks")
        constraints = [
            models.UniqueConstraint(fields=["document", "text_hash"], name="a_text_is_disabled_once_in_its_document")
        ]

    def __str__(self) -> str:
        return f"{self.document_id} {bytes(self.text_hash).hex()[:12]}"
