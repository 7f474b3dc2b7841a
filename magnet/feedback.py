"""What callers think of an answer that they got: one rating for each caller, which they may change.

await feedback.give(trace_id, {"rating": "dislike", "reason": "outdated"})
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from magnet import trace_texts, tracing
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.errors import InvalidInput, NotFound
from magnet.models import Feedback, Trace

# A trace is written a moment after its answer, perhaps by another process: who is quicker waits for it.
LOOKS, PAUSE_SECONDS, FRESH_SECONDS = 6, 0.4, 30


@dataclass(frozen=True)
class Share:
    """How many ratings there are, and how many of them like the answer."""

    likes: int
    dislikes: int

    @property
    def ratings(self) -> int:
        return self.likes + self.dislikes

    @property
    def percent(self) -> int:
        return round(100 * self.likes / self.ratings) if self.ratings else 0


async def give(trace_id: UUID, given: Mapping[str, Any], *, feature: str = "", slug: str = "") -> Feedback:
    """Keep what is given of rating, reason, comment and is_copied; what is not given stays as it was.

    Raises NotFound for a trace that is not there, is of another tool, or belongs to somebody else, and InvalidInput.
    """
    looks = LOOKS if is_fresh(trace_id) else 0
    for _ in range(looks):
        await in_database(tracing.flush)
        if await in_database(Trace.objects.filter(pk=trace_id).exists):
            break
        await asyncio.sleep(PAUSE_SECONDS)
    return await in_database(keep, trace_id, given, feature=feature, slug=slug)


def is_fresh(trace_id: UUID) -> bool:
    """Whether the id was made so lately that its trace may still be on its way: it begins with milliseconds."""
    return abs(time.time() * 1_000 - (trace_id.int >> 80)) < FRESH_SECONDS * 1_000


def keep(trace_id: UUID, given: Mapping[str, Any], *, feature: str = "", slug: str = "") -> Feedback:
    """As `give`, without waiting for a trace that is still on its way."""
    trace, caller = Trace.objects.filter(pk=trace_id).first(), current_caller()
    is_meant = trace is not None and (not slug or (trace.feature, trace.slug) == (feature, slug))
    if trace is None or not is_meant or not trace_texts.may_read(trace, caller):
        raise NotFound(f"There is no answer {trace_id} of yours. An answer can be rated while its trace is kept.")
    by: dict[str, Any] = {"caller_type": caller.kind, "caller_id": caller.id, "person": caller.person[:300]}
    row = Feedback.objects.filter(trace=trace, **by).first() or Feedback(trace=trace, **by)
    row.caller_label = caller.label[:300]
    for name, value in given.items():
        setattr(row, name, value)
    if row.rating != Feedback.Rating.DISLIKE and not given.get("reason"):
        row.reason = ""
    _refuse_a_reason_for_praise(row)
    # Two clicks at once make one row.
    settings = {name: getattr(row, name) for name in ("rating", "reason", "comment", "is_copied", "caller_label")}
    kept: Feedback = Feedback.objects.update_or_create(trace=trace, **by, defaults=settings)[0]
    return kept


def _refuse_a_reason_for_praise(row: Feedback) -> None:
    if row.reason and row.rating != Feedback.Rating.DISLIKE:
        raise InvalidInput("A reason says why an answer is not good: send it with the rating “dislike”.")


def share(feature: str, slug: str) -> Share:
    return Share(**Feedback.objects.all().of_tool(feature, slug).counts())
