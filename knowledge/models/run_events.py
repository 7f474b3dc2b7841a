"""What a sync run did, line by line."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from knowledge.models.runs import SyncRun


class SyncRunEvent(models.Model):
    """One line of the log of a run, written while it works and never changed."""

    class Level(models.TextChoices):
        INFO = "info", _("Info")
        WARNING = "warning", _("Warning")
        ERROR = "error", _("Error")

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="events", verbose_name=_("sync run"))
    at = models.DateTimeField(_("when"), default=timezone.now)
    level = models.CharField(_("level"), max_length=10, choices=Level.choices, default=Level.INFO)
    text = models.TextField(_("what happened"))
    # The document it is about; not a reference, because the line outlives the document.
    document_id: Any = models.UUIDField(null=True, blank=True)

    class Meta:
        verbose_name = _("line of a sync run")
        verbose_name_plural = _("lines of sync runs")
        ordering = ["id"]
        indexes = [
            models.Index(fields=["document_id"], condition=models.Q(document_id__isnull=False), name="line_of_document")
        ]

    def __str__(self) -> str:
        return self.text
