"""What a listing under way has named, so that what it does not name can be told at its end."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.sources import KnowledgeSource


class ListedName(models.Model):
    """A document that the listing of a source has named until now; forgotten when it ends, and before the next.

    Its table is not logged: a crash of the database empties it, and who listed counts what is left.
    """

    pk = models.CompositePrimaryKey("source_id", "remote_key")
    # Without a constraint, which would be checked for every name.
    source = models.ForeignKey(
        KnowledgeSource, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    remote_key = models.CharField(max_length=64, db_collation="C")

    class Meta:
        verbose_name = _("listed name")
        verbose_name_plural = _("listed names")

    def __str__(self) -> str:
        return self.remote_key
