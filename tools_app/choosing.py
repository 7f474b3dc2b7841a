"""Puts found passages into their order and keeps those that count: boosts, minimum score, cap, reranking, number."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from uuid import UUID

from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from knowledge.models import Document, IndexedDocument, KnowledgeIndex
from knowledge.retrieval import Found, Passage
from magnet import gateway
from magnet.database import in_database
from magnet.errors import MagnetError
from magnet.models import AIModel
from tools_app.retrieval_loading import LoadedRetrieval
from tools_app.stages import FoundPassage, Record

# Of several orders, a place counts 1 / (RANK_CONSTANT + place): the usual constant of reciprocal rank fusion.
RANK_CONSTANT = 60
# A passage whose date nobody knows counts as one of this many half-lives.
HALF_LIVES_OF_UNKNOWN = 1.0
# Who waits for an answer would rather have the order that there is.
RERANK_SECONDS = 10.0


def fused(found: Sequence[Found], record: Record) -> list[Passage]:
    """The passages of several searches as one list, each once, with the best score that any search gave it."""
    best: dict[int, Passage] = {}
    weights: defaultdict[int, float] = defaultdict(float)
    for each in found:
        for place, passage in enumerate(each.passages, start=1):
            weights[passage.chunk_id] += 1 / (RANK_CONSTANT + place)
            known = best.get(passage.chunk_id)
            best[passage.chunk_id] = passage if known is None or passage.score > known.score else known
    order = sorted(best.values(), key=lambda passage: (-weights[passage.chunk_id], -passage.score, passage.chunk_id))
    record.note("fuse", kept=len(order), setting={"query_count": len(found)})
    return order


# -- Boosts ----------------------------------------------------------------------------------------------------------


async def boosted(settings: LoadedRetrieval, passages: Sequence[Passage], record: Record) -> list[Passage]:
    """In the order of their boosted scores, which stay within 0 and 1."""
    if not settings.is_boosted or not passages:
        return list(passages)
    fresh = await _freshness(settings, passages)
    factors = [
        settings.source_boosts.get(passage.source, 1.0) * fresh.get(passage.document_id, 1.0) for passage in passages
    ]
    scored = [
        replace(passage, score=min(1.0, passage.score * factor))
        for passage, factor in zip(passages, factors, strict=True)
    ]
    # Of two that reach the top, the one that was lifted higher comes first.
    raw = {passage.chunk_id: passage.score * factor for passage, factor in zip(passages, factors, strict=True)}
    scored.sort(key=lambda passage: -raw[passage.chunk_id])
    said = {"source_boosts": dict(settings.source_boosts), "freshness_half_life_days": settings.half_life_days}
    record.note("boosts", kept=len(scored), setting={name: value for name, value in said.items() if value})
    return scored


async def _freshness(settings: LoadedRetrieval, passages: Sequence[Passage]) -> dict[UUID, float]:
    """A factor for each document: 1 for a new one, .5 after a half-life, .25 after two."""
    half_life = settings.half_life_days
    if not half_life:
        return {}
    documents = {passage.document_id for passage in passages}
    dates = await in_database(_dates, documents, settings.freshness_field)
    now = timezone.now()
    return {each: 0.5 ** _half_lives(dates.get(each), now=now, half_life=half_life) for each in documents}


def _half_lives(when: datetime | None, *, now: datetime, half_life: int) -> float:
    if when is None:
        return HALF_LIVES_OF_UNKNOWN
    return max(0.0, (now - when).total_seconds() / 86_400 / half_life)


def _dates(documents: set[UUID], field: str) -> Mapping[UUID, datetime | None]:
    if not field:
        return dict(Document.objects.filter(pk__in=documents).values_list("pk", "changed_at"))
    entries = IndexedDocument.objects.filter(document_id__in=documents, index__status=KnowledgeIndex.Status.LIVE)
    said = entries.annotate(said=KeyTextTransform(field, "fields")).values_list("document_id", "said")
    return {document: _moment(text) for document, text in said}


def _moment(text: str | None) -> datetime | None:
    """The moment that a field names, as a date or a date with a time."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# -- Dropping ----------------------------------------------------------------------------------------------------------


def good_enough(settings: LoadedRetrieval, passages: Sequence[Passage], record: Record) -> list[Passage]:
    kept = [passage for passage in passages if passage.score >= settings.minimum_score]
    record.dropped("minimum_score", before=passages, after=kept, setting={"minimum_score": settings.minimum_score})
    return kept


def capped(settings: LoadedRetrieval, passages: Sequence[Passage], record: Record) -> list[Passage]:
    """No more of one document than may be."""
    most = settings.most_per_document
    if not most:
        return list(passages)
    seen: Counter[UUID] = Counter()
    kept: list[Passage] = []
    for passage in passages:
        seen[passage.document_id] += 1
        if seen[passage.document_id] <= most:
            kept.append(passage)
    record.dropped("per_document", before=passages, after=kept, setting={"most_per_document": most})
    return kept


def wanted(settings: LoadedRetrieval, passages: Sequence[Passage], record: Record) -> list[Passage]:
    kept = list(passages[: settings.passage_count])
    record.dropped("passages", before=passages, after=kept, setting={"passage_count": settings.passage_count})
    return kept


# -- Reranking -----------------------------------------------------------------------------------------------------


async def reranked(
    settings: LoadedRetrieval, question: str, passages: Sequence[Passage], record: Record
) -> tuple[list[Passage], bool]:
    """The order of the rerank model, and whether it failed: then the order before stays, and the record says so.

    What the model did not score is dropped: its place among scored ones would be made up.
    """
    model = settings.rerank_model
    if model is None or not passages:
        return list(passages), False
    given = passages[: settings.rerank_candidates]
    top_n = min(settings.rerank_top_n or settings.passage_count, len(given))
    setting = {"rerank_model": model.slug, "rerank_candidates": settings.rerank_candidates, "rerank_top_n": top_n}
    try:
        async with asyncio.timeout(RERANK_SECONDS):
            found = await gateway.rerank(model, question, [_read(passage) for passage in given], top_n=top_n)
    except (MagnetError, TimeoutError) as error:
        said = f"The order before was kept: {_why(error, model)}"
        record.dropped("rerank", before=passages, after=passages, setting=setting, said=said, failed=True)
        return list(passages), True
    kept: list[Passage] = [_with_score(given[index], score) for index, score in found.order]
    record.dropped("rerank", before=passages, after=kept, setting=setting)
    return kept, False


def _read(passage: Passage) -> str:
    """What the rerank model reads: a text alone often does not say what it is about."""
    return "\n".join(dict.fromkeys(filter(None, (passage.title, passage.heading, passage.text))))


def _with_score(passage: Passage, score: float) -> FoundPassage:
    names = [field.name for field in fields(Passage)]
    return FoundPassage(**{name: getattr(passage, name) for name in names}, rerank_score=score)


def _why(error: BaseException, model: AIModel) -> str:
    if isinstance(error, MagnetError):
        return error.detail
    return f"“{model.name}” took longer than {RERANK_SECONDS:g} seconds."
