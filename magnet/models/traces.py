"""What happened for one request: a trace, its spans, and their payloads. Append-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from magnet.ids import uuid7


class TraceQuerySet(models.QuerySet["Trace"]):
    def blank_documents(self, documents: Sequence[UUID]) -> int:
        """Take the texts out of every trace that held one of these deleted documents; figures stay."""
        payloads = SpanPayload.objects.filter(span__trace__documents__overlap=list(documents)).order_by("pk")
        with transaction.atomic():
            # Held in one order: of two that delete, neither waits for the other for ever.
            held = list(payloads.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
            blanked = SpanPayload.objects.filter(pk__in=held).update(input=None, output=None, is_blanked=True)
            _blank_analyses(documents)
        return int(blanked)


def _blank_analyses(documents: Sequence[UUID]) -> None:
    """What a model said of sentences may quote the documents."""
    analyses: Any = Trace._meta.get_field("analysis").related_model
    quoting = analyses.objects.filter(trace__documents__overlap=list(documents)).exclude(sentences=None).order_by("pk")
    held = list(quoting.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
    analyses.objects.filter(pk__in=held).update(sentences=None)


class Trace(models.Model):
    """One request from outside and all that it caused. Written when it ends."""

    class Status(models.TextChoices):
        OK = "ok", _("Done")
        ERROR = "error", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    feature = models.CharField(_("feature"), max_length=50)
    slug = models.CharField(_("tool"), max_length=100, blank=True)
    # The ids of every version that took part, so that the answer can be explained later.
    versions = models.JSONField(_("versions"), default=dict, blank=True)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.OK)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started"))
    duration_ms = models.FloatField(_("duration (ms)"), default=0)
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    cost = models.DecimalField(_("cost (USD)"), max_digits=20, decimal_places=10, default=0)
    # Whose text stands in the payloads, so that a deletion can blank them.
    documents = ArrayField(models.UUIDField(), default=list, blank=True, editable=False)
    summary = models.CharField(_("question"), max_length=300, blank=True)
    caller_type = models.CharField(max_length=20, blank=True)
    caller_id = models.CharField(max_length=50, blank=True)
    caller_label = models.CharField(_("caller"), max_length=300, blank=True)
    person = models.CharField(_("on behalf of"), max_length=300, blank=True)
    channel = models.CharField(_("channel"), max_length=30, blank=True)
    request_id = models.CharField(_("request"), max_length=100, blank=True)
    recording = models.CharField(_("recording"), max_length=20, default="full")

    objects: ClassVar[Any] = TraceQuerySet.as_manager()

    class Meta:
        verbose_name = _("trace")
        verbose_name_plural = _("traces")
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["-started_at"], name="trace_by_time"),
            GinIndex(fields=["documents"], name="trace_by_document"),
            models.Index(fields=["feature", "slug", "-started_at"], name="trace_by_tool_and_time"),
        ]

    def __str__(self) -> str:
        return self.summary or str(self.id)


class Span(models.Model):
    """One step of a trace. Prices are frozen here: a later price change must not rewrite history."""

    class Kind(models.TextChoices):
        CHAT = "chat", _("Chat")
        EMBEDDING = "embedding", _("Embedding")
        RERANK = "rerank", _("Rerank")
        RETRIEVAL = "retrieval", _("Retrieval")
        TOOL = "tool", _("Tool")
        STEP = "step", _("Step")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="spans", verbose_name=_("trace"))
    parent_id = models.UUIDField(null=True, blank=True)
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices, default=Kind.STEP)
    status = models.CharField(_("status"), max_length=20, choices=Trace.Status.choices, default=Trace.Status.OK)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started"))
    duration_ms = models.FloatField(_("duration (ms)"), default=0)
    first_token_ms = models.FloatField(_("first token (ms)"), null=True, blank=True)
    model = models.CharField(_("model"), max_length=100, blank=True)
    provider = models.CharField(_("provider"), max_length=100, blank=True)
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    cached_tokens = models.PositiveBigIntegerField(_("cached tokens"), default=0)
    reasoning_tokens = models.PositiveBigIntegerField(_("reasoning tokens"), default=0)
    cost = models.DecimalField(_("cost (USD)"), max_digits=20, decimal_places=10, default=0)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)

    class Meta:
        verbose_name = _("span")
        verbose_name_plural = _("spans")
        ordering = ["started_at"]
        indexes = [models.Index(fields=["started_at", "model"], name="span_by_time_and_model")]

    def __str__(self) -> str:
        return self.name


class SpanPayload(models.Model):
    """Prompts, passages and answers: large, personal, and kept for a shorter time than their span."""

    span = models.OneToOneField(Span, on_delete=models.CASCADE, primary_key=True, related_name="payload")
    created_at = models.DateTimeField(db_index=True)
    input: Any = models.JSONField(null=True)
    output: Any = models.JSONField(null=True)
    is_blanked = models.BooleanField(
        _("texts removed"), db_default=False, help_text=_("A document in it was deleted, so the texts went with it.")
    )

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        verbose_name = _("span payload")
        verbose_name_plural = _("span payloads")

    def __str__(self) -> str:
        return str(self.span_id)
