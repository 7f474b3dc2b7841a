"""What embedding will take before it begins: documents, tokens, cost and time, each as far as it can be known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, Sum

from knowledge import ledger
from knowledge.chunkers import chunker_kind
from knowledge.models import KnowledgeIndex, KnowledgeSource, SyncRun
from magnet.models import AIModel
from magnet.providers.base import Usage

# What the header of a chunk adds, and how much tokens of other models or other borders may differ.
LITTLE_LESS, LITTLE_MORE, OTHER_BORDERS = 0.9, 1.15, 1.4
# A chunker that embeds reads each sentence with its neighbours, so every word about three times.
TIMES_READ_TO_CUT = (2.5, 3.5)
# A line of context: what is said around each chunk, how much of its document is read at most, what is written (models
# that think write more than the line), and how long that takes, several at a time.
RULES_OF_LINE, MOST_READ_FOR_LINE = (100, 400), 2_000
TOKENS_OF_LINE, SECONDS_OF_LINE = (10, 300), (0.05, 1.0)
# Chunks of texts that nobody has cut yet.
TOKENS_OF_CHUNK = (100, 400)
# Of a document nobody has read: from half a page to a long one. Of one with a known size: a PDF is not all text.
TOKENS_OF_UNREAD = (200, 3_000)
BYTES_PER_TOKEN = (3.0, 40.0)
# Tokens a second with writing, where no run has shown it yet.
BUILT_IN_SPEED, PROVIDER_SPEED = (40_000.0, 200_000.0), (3_000.0, 30_000.0)
FEWEST_TOKENS = 20_000

# A sample: how many tokens a chunk has, with the title and the headings that are embedded in front of it.
TOKENS_PER_CHUNK = """
select avg(sample.tokens) from (
    select c.token_count + (length(c.heading) + length(d.title)) / 4.0 as tokens
    from knowledge_chunk c join knowledge_document d on d.id = c.document_id where c.index_id = %s limit 1000) sample
"""


@dataclass(frozen=True)
class Forecast:
    """Between a little and much; vectors that are kept anyway cost nothing."""

    documents: int
    tokens: tuple[int, int]
    cost: tuple[Decimal, Decimal]
    seconds: tuple[int, int]
    # What a model reads and writes for the lines of context; their price is part of the cost.
    context_tokens: tuple[int, int] = (0, 0)
    context_cost: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))

    @property
    def is_large(self) -> bool:
        """Whether somebody should see it before it starts."""
        return self.documents > int(settings.ASK_ABOVE_DOCUMENTS)

    def as_json(self) -> dict[str, Any]:
        """As the API shows it, and as it is kept with what it was made for."""
        cost = tuple(format(each.normalize(), "f") for each in self.cost)
        ranges: dict[str, Any] = {"tokens": self.tokens, "cost": cost, "seconds": self.seconds}
        ranges["context_tokens"] = self.context_tokens
        between = {name: {"least": least, "most": most} for name, (least, most) in ranges.items()}
        return {"documents": self.documents, **between, "is_large": self.is_large}


def of_reindex(source: KnowledgeSource, live: KnowledgeIndex) -> Forecast:
    """Of building a generation with the source's present settings from the texts of the live one."""
    documents = live.ledger.filter(chunk_count__gt=0).count()
    tokens = live.chunk_count * _tokens_per_chunk(live)
    is_same_model = source.embedding_model_id == live.embedding_model_id and live.dimensions == (
        source.embedding_model.dimensions or 0
    )
    is_cut_alike = ledger.cut_of(source) == ledger.cut_of(live)
    low = 0.0 if is_same_model else tokens * LITTLE_LESS
    high = tokens * (LITTLE_MORE if is_cut_alike else OTHER_BORDERS)
    # The same texts under the same model: every vector is used again.
    embedded = (0.0, 0.0) if is_same_model and is_cut_alike else (low, high)
    tokens_range = _with_cutting(source, (tokens, tokens), embedded=embedded)
    expected = _forecast(source.embedding_model, documents, tokens_range, at_least_seconds=live.chunk_count / 2_000)
    lines = (0.0, 0.0)
    if source.context_model_id != live.context_model_id or not is_cut_alike:
        # Lines of another cut serve where a chunk happens to stay the same.
        fewest = 0.0 if source.context_model_id == live.context_model_id else live.chunk_count / OTHER_BORDERS
        lines = (live.chunk_count, live.chunk_count) if is_cut_alike else (fewest, live.chunk_count * OTHER_BORDERS)
    return _with_context(expected, source, chunks=lines, tokens_of_document=tokens / max(documents, 1))


def of_unread(source: KnowledgeSource) -> Forecast:
    """Of the documents that a listing has found and nobody has read: from their sizes, where the source names them."""
    unread = source.documents.filter(content_hash="", ledger__index__status="live", ledger__state="pending")
    found = unread.aggregate(
        documents=Count("id"), sized=Count("id", filter=Q(file_bytes__gt=0)), total=Sum("file_bytes")
    )
    unsized = found["documents"] - found["sized"]
    size = found["total"] or 0
    low = size / BYTES_PER_TOKEN[1] + unsized * TOKENS_OF_UNREAD[0]
    high = size / BYTES_PER_TOKEN[0] + unsized * TOKENS_OF_UNREAD[1]
    embedded = _with_cutting(source, (low, high), embedded=(low, high))
    expected = _forecast(source.embedding_model, found["documents"], embedded)
    chunks = (max(low / TOKENS_OF_CHUNK[1], found["documents"]), max(high / TOKENS_OF_CHUNK[0], found["documents"]))
    return _with_context(expected, source, chunks=chunks, tokens_of_document=high / max(found["documents"], 1))


def _with_context(
    expected: Forecast, source: KnowledgeSource, *, chunks: tuple[float, float], tokens_of_document: float
) -> Forecast:
    """With one call for each chunk, where a model writes lines of context."""
    model = source.context_model
    if model is None:
        return expected
    around = min(tokens_of_document, MOST_READ_FOR_LINE)
    read = (chunks[0] * RULES_OF_LINE[0], chunks[1] * (RULES_OF_LINE[1] + 2 * around))
    usage = [
        Usage(input_tokens=round(tokens), output_tokens=round(count * written))
        for tokens, count, written in zip(read, chunks, TOKENS_OF_LINE, strict=True)
    ]
    least, most = (
        (model.cost(used), used.input_tokens + used.output_tokens, count * seconds)
        for used, count, seconds in zip(usage, chunks, SECONDS_OF_LINE, strict=True)
    )
    return replace(
        expected,
        cost=(expected.cost[0] + least[0], expected.cost[1] + most[0]),
        seconds=(expected.seconds[0] + round(least[2]), expected.seconds[1] + round(most[2])),
        context_tokens=(least[1], most[1]),
        context_cost=(least[0], most[0]),
    )


def _with_cutting(
    source: KnowledgeSource, texts: tuple[float, float], *, embedded: tuple[float, float]
) -> tuple[int, int]:
    """Tokens that are embedded as chunks, and where the chunker embeds to cut, those of the texts with it."""
    times = TIMES_READ_TO_CUT if chunker_kind(source.chunker).embeds else (0.0, 0.0)
    least, most = (round(own + tokens * more) for own, tokens, more in zip(embedded, texts, times, strict=True))
    return least, most


def _tokens_per_chunk(index: KnowledgeIndex) -> float:
    with connection.cursor() as cursor:
        cursor.execute(TOKENS_PER_CHUNK, [index.pk])
        (tokens,) = cursor.fetchone()
    return float(tokens or 0)


def _forecast(model: AIModel, documents: int, tokens: tuple[int, int], *, at_least_seconds: float = 0.0) -> Forecast:
    slow, fast = _speeds(model)
    return Forecast(
        documents=documents,
        tokens=tokens,
        cost=(model.cost(Usage(input_tokens=tokens[0])), model.cost(Usage(input_tokens=tokens[1]))),
        seconds=(round(tokens[0] / fast + at_least_seconds), round(tokens[1] / slow + at_least_seconds) + 1),
    )


def _speeds(model: AIModel) -> tuple[float, float]:
    """Tokens a second, slowest and fastest: as the last runs had it, else as a guess within the provider's limit."""
    measured = _measured_speed(model)
    if measured:
        return measured / 1.5, measured * 1.5
    slow, fast = BUILT_IN_SPEED if model.provider.kind == "local" else PROVIDER_SPEED
    limit = (model.provider.tokens_per_minute or 0) / 60
    return (min(slow, limit), min(fast, limit)) if limit else (slow, fast)


def _measured_speed(model: AIModel) -> float:
    runs = SyncRun.objects.filter(
        source__embedding_model=model, source__context_model=None, status="done", tokens__gte=FEWEST_TOKENS
    )
    for run in runs.order_by("-created_at")[:1]:
        if run.started_at and run.finished_at:
            return float(run.tokens / max((run.finished_at - run.started_at).total_seconds(), 1.0))
    builds = KnowledgeIndex.objects.filter(
        embedding_model=model, context_model=None, tokens__gte=FEWEST_TOKENS, work_seconds__gt=0
    )
    for index in builds.order_by("-created_at")[:1]:
        return float(index.tokens / index.work_seconds)
    return 0.0
