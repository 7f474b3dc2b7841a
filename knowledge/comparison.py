"""Two generations asked the same questions: which documents each of them finds first, and whether the right one rises.

“Same” are the same five documents, in whatever order. Better and worse are said only where the right document is
known; elsewhere another answer is just another answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from knowledge import retrieval
from knowledge.models import KnowledgeIndex, KnowledgeSource
from knowledge.retrieval import MODES, Passage
from knowledge.statements import Mode
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.errors import Conflict, InvalidInput
from magnet.models import Span
from magnet.tracing import trace

Verdict = Literal["same", "changed", "better", "worse"]
VERDICTS: tuple[Verdict, ...] = ("worse", "better", "changed", "same")

# The documents that count, and how many passages are looked at to find them and the rank of the right one.
FIRST = 5
PASSAGES = 100
MAX_QUESTIONS = 100
USUAL_QUESTIONS = 20
AT_ONCE = 4
# What others asked is theirs.
SEES_QUESTIONS = "traces:read"
# What is asked while comparing is no question of a user.
FEATURE = "comparison"


@dataclass(frozen=True)
class Asked:
    """A question, as it was asked; `right` is the id in its source of the document that answers it, where known."""

    question: str
    right: str = ""
    mode: Mode = "hybrid"
    filter: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class FoundDocument:
    document_id: UUID
    remote_id: str
    title: str


@dataclass(frozen=True)
class Compared:
    """What a question finds before and after: its first documents, and the right one's rank among all (None: not)."""

    asked: Asked
    before: tuple[FoundDocument, ...]
    after: tuple[FoundDocument, ...]
    rank_before: int | None = None
    rank_after: int | None = None

    @property
    def verdict(self) -> Verdict:
        if self.asked.right and self.rank_before != self.rank_after:
            return "better" if _rank(self.rank_after) < _rank(self.rank_before) else "worse"
        first = ({found.document_id for found in side} for side in (self.before, self.after))
        return "same" if next(first) == next(first) else "changed"


@dataclass(frozen=True)
class Comparison:
    live: KnowledgeIndex
    other: KnowledgeIndex
    questions: tuple[Compared, ...]

    def counts(self) -> dict[Verdict, int]:
        return {verdict: sum(each.verdict == verdict for each in self.questions) for verdict in VERDICTS}


async def compare(index: KnowledgeIndex, questions: Sequence[Asked]) -> Comparison:
    """Ask the live generation and `index` the same. Raises Conflict, InvalidInput and ProviderErrors."""
    if not questions:
        raise InvalidInput("There is no question yet. Type one in: no real ones are recorded of this source.")
    if len(questions) > MAX_QUESTIONS:
        raise InvalidInput(f"Compare up to {MAX_QUESTIONS} questions at once, not {len(questions)}.")
    live = await in_database(live_beside, index)
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(asked: Asked) -> Compared:
        async with gate:
            before, after = [await passages_of(generation, asked) for generation in (live, index)]
        return _compared(asked, _documents(before), _documents(after))

    with trace(feature=FEATURE, slug=index.source.slug, summary=str(index), recording="metadata"):
        return Comparison(live, index, tuple(await asyncio.gather(*(ask(asked) for asked in questions))))


async def passages_of(index: KnowledgeIndex, asked: Asked, *, limit: int = PASSAGES) -> tuple[Passage, ...]:
    """What a generation finds for a question, best first."""
    with trace(feature=FEATURE, slug=index.source.slug, summary=str(index), recording="metadata"):
        found = await retrieval.search(
            asked.question,
            sources=[index.source.slug],
            limit=limit,
            mode=asked.mode,
            filter=asked.filter,
            index=index.pk,
        )
    return found.passages


def live_beside(index: KnowledgeIndex) -> KnowledgeIndex:
    """The generation that serves, to be compared with `index`. Raises Conflict where there are not two of them."""
    live: KnowledgeIndex | None = index.source.indexes.filter(status="live").select_related("source").first()
    if live is None or live == index:
        raise Conflict(f"“{index}” serves. Compare it with another generation: name that one.")
    if index.stage == "cancelled" or (index.ready_at is None and not index.has_served):
        raise Conflict(f"“{index}” is not built completely, so it would seem to find too little.")
    return live


def real_questions(source: KnowledgeSource, *, limit: int = USUAL_QUESTIONS) -> list[Asked]:
    """The last different questions that were searched for in a source, as long as their texts are kept; none for
    whoever may not see traces, in which they stand."""
    if not current_caller().may(SEES_QUESTIONS):
        return []
    since = timezone.now() - timedelta(days=settings.PAYLOAD_DAYS)
    searches = Span.objects.filter(
        kind=Span.Kind.RETRIEVAL,
        started_at__gte=since,
        attributes__sources__contains=[source.slug],
        payload__is_blanked=False,
        payload__input__isnull=False,
    ).exclude(trace__feature=FEATURE)
    rows = searches.order_by("-started_at").values_list("payload__input", "attributes__mode")
    return _different((_asked(kept or {}, mode) for kept, mode in rows[: limit * 10]), limit=limit)


def _asked(kept: Mapping[str, Any], mode: str) -> Asked:
    how: Mode = next((known for known in MODES if known == mode), "hybrid")
    return Asked(str(kept.get("query", "")), mode=how, filter=kept.get("filter"))


def _different(questions: Iterable[Asked], *, limit: int) -> list[Asked]:
    found: dict[str, Asked] = {}
    for asked in questions:
        if asked.question.strip():
            found.setdefault(json.dumps([asked.question.casefold(), asked.mode, asked.filter], sort_keys=True), asked)
    return list(found.values())[:limit]


def _documents(passages: Sequence[Passage]) -> list[FoundDocument]:
    """Each document once, where its best passage stands."""
    found: dict[UUID, FoundDocument] = {}
    for passage in passages:
        title = passage.title or passage.remote_id
        found.setdefault(passage.document_id, FoundDocument(passage.document_id, passage.remote_id, title))
    return list(found.values())


def _compared(asked: Asked, before: Sequence[FoundDocument], after: Sequence[FoundDocument]) -> Compared:
    ranks = [_rank_of(asked.right, side) if asked.right else None for side in (before, after)]
    return Compared(asked, tuple(before[:FIRST]), tuple(after[:FIRST]), *ranks)


def _rank_of(remote_id: str, documents: Sequence[FoundDocument]) -> int | None:
    return next((place for place, found in enumerate(documents, 1) if found.remote_id == remote_id), None)


def _rank(rank: int | None) -> float:
    return float("inf") if rank is None else rank
