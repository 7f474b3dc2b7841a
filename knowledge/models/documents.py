"""Documents: what a source says, with the text that a reader found in it."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from knowledge.models.sources import KnowledgeSource
from magnet.ids import uuid7

MAX_REMOTE_ID_CHARACTERS = 1_000


def remote_key(remote_id: str) -> str:
    """What is indexed instead of remote_id, whose 1,000 characters can exceed a B-tree entry (2,704 bytes)."""
    return hashlib.sha256(remote_id.encode()).hexdigest()


class DocumentQuerySet(models.QuerySet["Document"]):
    def named(self, remote_id: str) -> DocumentQuerySet:
        return self.filter(remote_key=remote_key(remote_id))

    def visible_to(self, groups: Sequence[str] | None) -> DocumentQuerySet:
        """Those for everybody, and those for one of these groups; all of them for None."""
        return self if groups is None else self.filter(Q(groups=None) | Q(groups__overlap=list(groups)))

    def without_body(self) -> DocumentQuerySet:
        """For lists: the text of thousands of documents would fill the memory."""
        return self.defer("text", "incoming_text", "page_starts")


class Document(models.Model):
    """One document of a source. Its state stands in the ledger (`IndexedDocument`), by generation."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(
        KnowledgeSource, on_delete=models.CASCADE, related_name="documents", verbose_name=_("source")
    )
    remote_id = models.CharField(_("id in the source"), max_length=MAX_REMOTE_ID_CHARACTERS)
    remote_key = models.CharField(max_length=64, editable=False)
    title = models.CharField(_("title"), max_length=1_000, blank=True)
    # What the source calls it; empty where only its text can tell.
    given_title = models.CharField(max_length=1_000, blank=True, editable=False)
    url = models.CharField(_("URL"), max_length=4_000, blank=True)
    media_type = models.CharField(_("kind of file"), max_length=200, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    # Who may see it; null where the source knows no permissions.
    groups = ArrayField(models.CharField(max_length=200), null=True, blank=True, verbose_name=_("groups"))
    # What the listing said: while it stays the same, the document is not fetched again.
    version = models.CharField(max_length=500, blank=True)
    # The version whose content was fetched last; while it differs from `version`, the content is fetched.
    fetched_version = models.CharField(max_length=500, blank=True, editable=False)
    # Text uploaded and not indexed yet: `text` changes together with its chunks, in one transaction.
    incoming_text = models.TextField(null=True, editable=False)

    file = models.FileField(_("original"), blank=True, max_length=300)
    file_hash = models.CharField(max_length=64, blank=True, editable=False)
    file_bytes = models.PositiveBigIntegerField(_("size"), default=0, editable=False)
    text = models.TextField(_("text"), blank=True)
    page_starts = ArrayField(models.PositiveIntegerField(), default=list, blank=True, editable=False)
    language = models.CharField(_("language"), max_length=10, blank=True)
    # sha256 of what is indexed (title, text, language); empty until the document was read.
    content_hash = models.CharField(max_length=64, blank=True, editable=False)

    created_at = models.DateTimeField(_("first seen"), default=timezone.now)
    changed_at = models.DateTimeField(_("last changed"), default=timezone.now)

    objects: ClassVar[Any] = DocumentQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["title", "id"]
        permissions = [("view_restricted_document", "Can find documents whatever groups they are for")]
        constraints = [
            models.UniqueConstraint(fields=["source", "remote_key"], name="document_is_unique_in_its_source")
        ]
        indexes = [
            models.Index(fields=["source", "title"], name="document_by_title"),
            # Asked for each original that is replaced: whether another document refers to it.
            models.Index(fields=["file"], name="document_by_file"),
        ]

    def __str__(self) -> str:
        return self.title or self.remote_id

    @property
    def audit_label(self) -> str:
        """What a deleted document was called can be found nowhere; the record of its deletion stays."""
        return str(self.pk)

    def page_at(self, offset: int) -> int | None:
        """The page (from 1) on which the character `offset` of the text stands; None without pages."""
        return bisect_right(self.page_starts, offset) or None


def are_hidden(documents: Collection[UUID], groups: Sequence[str]) -> bool:
    """Whether one of these documents is there, and not for these groups."""
    there = Document.objects.filter(pk__in=documents)
    return bool(documents) and there.count() > there.visible_to(groups).count()
