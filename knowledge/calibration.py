"""Measures which cosines of an embedding model mean “unrelated” and “fits”, on the passages that it has embedded."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from uuid import UUID

from django.db.models import Max, Min, QuerySet

from knowledge.models import Chunk, IndexedDocument, KnowledgeIndex
from magnet import gateway
from magnet.database import one_transaction
from magnet.errors import Conflict, InvalidInput
from magnet.models import AIModel, AuditEntry
from magnet.tracing import trace

# So many pairs are measured, in parts that take a moment each.
PAIRS, PART = 200, 50
# With fewer, chance says more than the model.
LEAST_PAIRS = 10
# Closer together, the model does not tell apart what fits.
LEAST_DISTANCE = 0.05
MOST_WORDS = 16
MOST_OF_A_DOCUMENT = 20
# A sample is to be fair, and no secret.
CHANCE = random.Random()  # noqa: S311 (as said)


@dataclass(frozen=True)
class Measured:
    """Cosines of headings with the passages below them, and with passages of other documents."""

    fitting: tuple[float, ...] = ()
    unrelated: tuple[float, ...] = ()

    @property
    def is_enough(self) -> bool:
        return len(self.unrelated) >= PAIRS

    @property
    def is_all(self) -> bool:
        """Of one part: there are so few documents that the next one would bring the same pairs again."""
        return len(self.unrelated) < PART // 2

    def and_(self, more: Measured) -> Measured:
        return Measured(self.fitting + more.fitting, self.unrelated + more.unrelated)


@dataclass(frozen=True)
class Proposal:
    floor: float
    ceiling: float
    sentence: str


@dataclass(frozen=True)
class Sampled:
    """A chunk with what somebody would ask to find it, and its vector as searches compare it."""

    question: str
    document: UUID
    vector: tuple[float, ...]


def measure(model: AIModel) -> Measured:
    """One part of the pairs, drawn at random. Raises Conflict without enough passages, InvalidInput, ProviderErrors.

    `model` as `AIModel.objects.for_use()` gives it. Only the questions are embedded: vectors of passages are there.
    """
    if model.purpose != AIModel.Purpose.EMBEDDING:
        raise InvalidInput(f"“{model.name}” makes no embeddings, so there is nothing to calibrate.")
    drawn = list({(each.document, each.question): each for each in _drawn(model)}.values())
    if len({each.document for each in drawn}) < 2:
        raise Conflict(f"Too little is indexed with “{model.name}”: sync sources with several documents first.")
    with trace(feature="calibration", slug=model.slug, summary=model.name, recording="metadata"):
        found = gateway.run_from_sync(
            gateway.embed(model, [each.question for each in drawn], purpose="query", feature="calibration")
        )
    return _compared(drawn, found.vectors.tolist())


def _drawn(model: AIModel) -> Iterator[Sampled]:
    indexes = list(KnowledgeIndex.objects.filter(embedding_model=model, status="live", chunk_count__gt=0))
    spans = {index.pk: _entries(index).aggregate(first=Min("pk"), last=Max("pk")) for index in indexes}
    indexes = [index for index in indexes if spans[index.pk]["first"] is not None]
    weights = [index.chunk_count for index in indexes]
    for index in CHANCE.choices(indexes, weights=weights, k=PART) if indexes else ():
        span = spans[index.pk]
        chunk = _chunk_from(index, CHANCE.randint(span["first"], span["last"]))
        if chunk is not None and chunk.embedding is not None:
            yield Sampled(_question(chunk), chunk.document_id, tuple(map(float, chunk.embedding)))


def _entries(index: KnowledgeIndex) -> QuerySet[IndexedDocument]:
    return IndexedDocument.objects.filter(index=index, chunk_count__gt=0)


def _chunk_from(index: KnowledgeIndex, place: int) -> Chunk | None:
    """Any of the first chunks of the document whose entry in the ledger comes next, however many there are."""
    entry = _entries(index).filter(pk__gte=place).order_by("pk").values_list("document_id", flat=True).first()
    rows = Chunk.objects.filter(index=index, document=entry).select_related("document").order_by("position")
    chunks = list(rows.only("heading", "text", "embedding", "position", "document__title")[:MOST_OF_A_DOCUMENT])
    return CHANCE.choice(chunks) if chunks else None


def _question(chunk: Chunk) -> str:
    """Its heading; without one the title of its document, or its first words."""
    said = chunk.heading.strip() or chunk.document.title.strip() or chunk.text
    return " ".join(said.split()[:MOST_WORDS])


def _compared(drawn: Sequence[Sampled], questions: Sequence[Sequence[float]]) -> Measured:
    fitting, unrelated = [], []
    for place, (each, question) in enumerate(zip(drawn, questions, strict=True)):
        fitting.append(cosine(question, each.vector))
        others = [one for one in (*drawn[place + 1 :], *drawn[:place]) if one.document != each.document]
        unrelated.append(cosine(question, others[0].vector))
    return Measured(tuple(fitting), tuple(unrelated))


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    length = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / length if length else 0.0


# -- What follows from it ----------------------------------------------------------------------------------------------


def propose(measured: Measured) -> Proposal:
    """Half of what is unrelated scores 0, the best tenth of what fits scores 1. Raises Conflict for too little."""
    count = len(measured.unrelated)
    if min(count, len(measured.fitting)) < LEAST_PAIRS:
        raise Conflict(f"Only {count} pairs could be compared, and {LEAST_PAIRS} are needed. Index more documents.")
    floor = round(quantiles(measured.unrelated, n=10)[4], 2)
    ceiling = round(quantiles(measured.fitting, n=10)[8], 2)
    if ceiling - floor < LEAST_DISTANCE:
        raise Conflict(
            f"The model hardly tells apart what fits ({ceiling:.2f}) from what does not ({floor:.2f}) in these "
            "documents. Keep the values that you have, or choose another model."
        )
    return Proposal(
        floor,
        ceiling,
        f"{count} headings were compared with the passages below them and with passages of other documents. Half of "
        f"the unrelated pairs have a cosine above {floor:.2f}, so that scores 0; of those that fit, one in ten has "
        f"more than {ceiling:.2f}, so that scores 1.",
    )


@one_transaction
def save(model: AIModel, *, floor: float, ceiling: float) -> None:
    """Raises InvalidInput. Searches of all tools count with it at once."""
    if not -1 <= floor < ceiling <= 1:
        raise InvalidInput("The score of unrelated texts lies below that of fitting ones, both between -1 and 1.")
    before = AIModel.objects.filter(pk=model.pk).values("score_floor", "score_ceiling").first()
    model.score_floor, model.score_ceiling = floor, ceiling
    model.save(update_fields=["score_floor", "score_ceiling", "updated_at"])
    AuditEntry.record("calibrated", model, before=before, score_floor=floor, score_ceiling=ceiling)
