"""Generations of a source's chunks, the ledger of what each holds, the chunks, and the words in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models, transaction
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left, Right
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from knowledge.models.documents import Document
from knowledge.models.leases import HEARTBEAT_LOST_AFTER, Resting
from knowledge.models.sources import KnowledgeSource
from magnet.models import AIModel

LEASE = timedelta(minutes=5)
MAX_ATTEMPTS = 3


class KnowledgeIndexQuerySet(models.QuerySet["KnowledgeIndex"]):
    def current(self) -> KnowledgeIndexQuerySet:
        """What new documents go to: the generation that serves, and the one that is built beside it."""
        return self.exclude(status=KnowledgeIndex.Status.RETIRED)

    def replaced(self) -> KnowledgeIndexQuerySet:
        """Generations that served once, the last one first; one whose building was given up never did."""
        return self.exclude(live_at=None).order_by("-retired_at")

    def for_use(self) -> KnowledgeIndexQuerySet:
        """With all that embedding needs: the gateway reads models within the event loop, where nothing is loaded."""
        return self.select_related(
            "embedding_model__provider", "embedding_model__fallback__provider",
            "context_model__provider", "context_model__fallback__provider",
        )  # fmt: skip


class KnowledgeIndex(Resting):
    """One generation of a source's chunks: what was embedded with these settings. One of them serves."""

    class Status(models.TextChoices):
        BUILDING = "building", _("Building")
        LIVE = "live", _("Live")
        RETIRED = "retired", _("Retired")

    source = models.ForeignKey(
        KnowledgeSource, on_delete=models.CASCADE, related_name="indexes", verbose_name=_("source")
    )
    number = models.PositiveIntegerField(_("generation"))
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.BUILDING)
    embedding_model = models.ForeignKey(
        AIModel, on_delete=models.PROTECT, related_name="indexes", verbose_name=_("embedding model")
    )
    dimensions = models.PositiveIntegerField(_("dimensions"))
    # Writes the line of context of each chunk; none where there is no such line.
    context_model = models.ForeignKey(
        AIModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="indexes_in_context",
        verbose_name=_("model for context"),
    )
    chunker = models.CharField(_("chunker"), max_length=50)
    chunker_config = models.JSONField(default=dict)
    language = models.CharField(max_length=10, blank=True)
    # Which metadata its filters see, and as what (knowledge/metadata_fields.py); empty: all that there is.
    metadata_fields = models.JSONField(_("metadata for filters"), default=list, blank=True, db_default=[])
    settings_hash = models.CharField(max_length=64)
    # Kept by each batch that writes chunks: BM25 needs the number of chunks and their mean length.
    chunk_count = models.PositiveBigIntegerField(_("chunks"), default=0)
    lexeme_total = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    live_at = models.DateTimeField(_("live since"), null=True, blank=True)
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)

    # While it is built beside the live one, or brought up to date to serve again.
    is_paused = models.BooleanField(_("paused"), default=False)
    # Set once everything was carried over; what changes afterwards follows within a moment.
    ready_at = models.DateTimeField(_("ready"), null=True, blank=True)
    # Somebody has said so already: it takes over as soon as nothing is left to do.
    switches_when_ready = models.BooleanField(default=False)
    # Why the building stopped, and what to do; empty while nothing is wrong.
    error = models.TextField(_("error"), blank=True)
    actor_label = models.CharField(_("who"), max_length=300, blank=True)
    to_do = models.PositiveIntegerField(_("to do"), default=0)
    done = models.PositiveIntegerField(_("done"), default=0)
    work_seconds = models.FloatField(default=0)
    chunks_embedded = models.PositiveIntegerField(_("chunks embedded"), default=0)
    chunks_reused = models.PositiveIntegerField(_("chunks reused"), default=0)
    tokens = models.PositiveBigIntegerField(_("tokens"), default=0)
    cost = models.DecimalField(_("cost (USD)"), max_digits=20, decimal_places=10, default=0)
    # What a chat model read and wrote for lines of context, apart from the tokens embedded, and its part of the cost.
    context_tokens = models.PositiveBigIntegerField(_("tokens for lines of context"), default=0, db_default=0)
    context_cost = models.DecimalField(
        _("cost of lines of context (USD)"), max_digits=20, decimal_places=10, default=0, db_default=0
    )
    # What was expected of it when it was started.
    forecast = models.JSONField(default=dict, blank=True)

    objects: ClassVar[Any] = KnowledgeIndexQuerySet.as_manager()

    class Meta:
        verbose_name = _("index")
        verbose_name_plural = _("indexes")
        ordering = ["source", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["source", "number"], name="index_number_is_unique_in_its_source"),
            models.UniqueConstraint(
                fields=["source"], condition=Q(status="live"), name="one_live_index_for_each_source"
            ),
            models.UniqueConstraint(
                fields=["source"], condition=Q(status="building"), name="one_building_index_for_each_source"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} #{self.number}"

    @classmethod
    def workable(cls) -> models.QuerySet[Any]:
        return cls.objects.filter(cls.may_go_on(), status=cls.Status.BUILDING, is_paused=False)

    def take(self, **changes: Any) -> UUID | None:
        return super().take(resumes_at=None, **changes)

    @property
    def has_served(self) -> bool:
        return self.live_at is not None

    @property
    def stage(self) -> str:
        """The status, and while it is built how that goes: building, paused, failed, ready or switching."""
        if self.status == self.Status.RETIRED and not self.has_served:
            return "cancelled"
        if self.status != self.Status.BUILDING:
            return str(self.status)
        if self.is_paused:
            return "failed" if self.error else "paused"
        if self.switches_when_ready:
            return "switching"
        return "ready" if self.ready_at else "building"

    @property
    def looks_stuck(self) -> bool:
        """True when a worker should be at it and has not shown itself for a while."""
        has_waited = timezone.now() - self.created_at > HEARTBEAT_LOST_AFTER
        return self.stage in ("building", "switching") and self.is_silent and has_waited and not self.is_resting

    @property
    def percent(self) -> int:
        """How much of the documents is carried over."""
        if self.status != self.Status.BUILDING or self.ready_at:
            return 100
        return min(self.done * 100 // max(self.to_do, 1), 100)

    @property
    def documents_per_second(self) -> float | None:
        return round(self.done / self.work_seconds, 2) if self.done and self.work_seconds else None

    @property
    def seconds_left(self) -> int | None:
        """At the pace until now; None while nothing is left, or no pace is known."""
        left, rate = self.to_do - self.done, self.documents_per_second
        return round(left / rate) if rate and left > 0 else None

    @property
    def hnsw_name(self) -> str:
        """The name of this generation's partial HNSW index, when it is large enough to have one."""
        return f"chunk_embedding_hnsw_{self.pk}"


class IndexedDocumentQuerySet(models.QuerySet["IndexedDocument"]):
    def claimable(self, now: Any) -> IndexedDocumentQuerySet:
        """Work that nobody holds: pending, due, and not leased by a worker that is still alive."""
        return self.filter(
            Q(lease_expires_at=None) | Q(lease_expires_at__lt=now),
            Q(next_attempt_at=None) | Q(next_attempt_at__lte=now),
            is_due=True,
        )

    def held_by(self, token: UUID) -> IndexedDocumentQuerySet:
        """What the step `token` works on; all of it is due, which spares a look at all the rest."""
        return self.filter(lease_token=token, is_due=True)

    def lock(self) -> list[int]:
        """Hold these rows until the transaction ends; by id, as everybody does: in any order two wait for ever."""
        return list(self.order_by("id").select_for_update(of=("self",), no_key=True).values_list("id", flat=True))

    def change(self, **columns: Any) -> int:
        """Change what fits once it is held; returns how many."""
        with transaction.atomic():
            ids = self.lock()
            return IndexedDocument.objects.filter(id__in=ids).update(**columns) if ids else 0


class IndexedDocument(models.Model):
    """The ledger: what one generation knows of one document."""

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        LIVE = "live", _("Live")
        STALE = "stale", _("Old version serves")
        FAILED = "failed", _("Failed")
        EXCLUDED = "excluded", _("Excluded")

    index = models.ForeignKey(KnowledgeIndex, on_delete=models.CASCADE, related_name="ledger")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="ledger", verbose_name=_("document"))
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.PENDING)
    # True while there is something to do for it, whatever serves in the meantime.
    is_due = models.BooleanField(default=True)
    # In which language the chunks were made searchable; generations may differ.
    language = models.CharField(_("language"), max_length=10, blank=True)
    # The content_hash of what the chunks hold.
    content_hash = models.CharField(max_length=64, blank=True)
    failure = models.TextField(_("reason"), blank=True)
    failure_code = models.CharField(max_length=50, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next try"), null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    chunk_count = models.PositiveIntegerField(_("chunks"), default=0)
    indexed_at = models.DateTimeField(_("indexed"), null=True, blank=True)
    # What filters see of the document: its metadata, typed as this generation wants it.
    fields = models.JSONField(default=dict, blank=True, db_default={})

    objects: ClassVar[Any] = IndexedDocumentQuerySet.as_manager()

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger")
        constraints = [
            models.UniqueConstraint(fields=["index", "document"], name="one_ledger_entry_for_each_document_and_index"),
            models.CheckConstraint(condition=~Q(state="pending") | Q(is_due=True), name="pending_document_is_due"),
        ]
        indexes = [
            models.Index(fields=["index", "document"], condition=Q(is_due=True), name="ledger_of_what_is_due"),
            models.Index(fields=["index", "state"], name="ledger_by_state"),
            # A search asks for the languages of its generations, of which there are few.
            models.Index(fields=["index", "language"], condition=Q(chunk_count__gt=0), name="ledger_by_language"),
            GinIndex(fields=["fields"], opclasses=["jsonb_path_ops"], name="ledger_by_fields"),
        ]

    def __str__(self) -> str:
        return f"{self.document} ({self.state})"


class Chunk(models.Model):
    """A piece of a document as one generation cut it: the exact substring `start`–`end` of Document.text."""

    index = models.ForeignKey(KnowledgeIndex, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField(_("position"))
    heading = models.TextField(_("heading"), blank=True)
    page = models.PositiveIntegerField(_("page"), null=True)
    text = models.TextField(_("text"))
    # What a model wrote about its place in the document: embedded and searched with the text, and not shown as text.
    context = models.TextField(_("context"), blank=True, default="", db_default="")
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    # sha256 of embedding model, header and text: the same vector is reused, never bought twice.
    vector_key = models.BinaryField(max_length=32)
    lexemes = SearchVectorField()
    lexeme_count = models.PositiveIntegerField()
    token_count = models.PositiveIntegerField()
    embedding = HalfVectorField(null=True)
    # Somebody took it out of searches (`DisabledChunk` remembers its text); it is shown, and not found.
    is_disabled = models.BooleanField(_("disabled"), default=False, db_default=False)

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        ordering = ["document", "position"]
        constraints = [
            models.UniqueConstraint(fields=["index", "document", "position"], name="chunk_position_is_unique"),
        ]
        indexes = [
            GinIndex(fields=["lexemes"], name="chunk_by_lexemes", fastupdate=False),
            models.Index(fields=["index", "vector_key"], name="chunk_by_vector_key"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} #{self.position}"


# Two characters of at least three bytes each, as these languages have them.
IS_PAIR = Q(RawSQL("char_length(lexeme) = 2 and octet_length(lexeme) between 6 and 8", [], models.BooleanField()))


class Word(models.Model):
    """In how many chunks of an index a lexeme stands."""

    pk = models.CompositePrimaryKey("index_id", "lexeme")
    index = models.ForeignKey(KnowledgeIndex, on_delete=models.CASCADE, related_name="words", db_index=False)
    lexeme = models.TextField()
    document_frequency = models.PositiveIntegerField()

    class Meta:
        verbose_name = _("word")
        verbose_name_plural = _("words")
        # A single Chinese, Japanese or Korean character is found through the pairs that begin or end with it.
        indexes = [
            models.Index("index", Left("lexeme", 1), condition=IS_PAIR, name="word_by_first_character"),
            models.Index("index", Right("lexeme", 1), condition=IS_PAIR, name="word_by_last_character"),
        ]

    def __str__(self) -> str:
        return self.lexeme
