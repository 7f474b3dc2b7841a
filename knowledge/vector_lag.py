"""How far the copies in the vector store are behind PostgreSQL, what of deleted documents they still hold, and who is
told when they stand still."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from knowledge import vectors
from knowledge.models import Chunk, KnowledgeIndex, VectorChange, VectorCopy
from magnet import alerts
from magnet.models import Delivery
from magnet.models.webhooks import Event

# Changes are copied within seconds; a store that is away or starts again gets some minutes.
STANDS_STILL_AFTER = timedelta(minutes=10)
# More are not counted: after a long absence there may be millions.
MOST_COUNTED = 100_000
# A proof waits no longer.
SEARCH_SECONDS = 20.0
BEHIND, CAUGHT_UP = "behind", "caught_up"


@dataclass(frozen=True)
class Lag:
    """Changes that the store has not got yet, and when the oldest one was made."""

    changes: int = 0
    oldest_at: datetime | None = None

    @property
    def seconds(self) -> int:
        return round((timezone.now() - self.oldest_at).total_seconds()) if self.oldest_at else 0

    @property
    def stands_still(self) -> bool:
        return self.seconds > STANDS_STILL_AFTER.total_seconds()

    def __str__(self) -> str:
        if not self.changes:
            return _("%(store)s is up to date.") % {"store": vectors.chosen().label}
        counted = f"{self.changes:,}" if self.changes < MOST_COUNTED else f"{MOST_COUNTED:,}+"
        one = "%(n)s change waits to be copied to %(store)s; the copy lags by %(seconds)s s."
        many = "%(n)s changes wait to be copied to %(store)s; the copy lags by %(seconds)s s."
        about = {"n": counted, "store": vectors.chosen().label, "seconds": f"{self.seconds:,}"}
        return ngettext(one, many, self.changes) % about


@dataclass(frozen=True)
class Remains:
    """Vectors found in the store: those whose removal is still on its way, since when, and those nobody removes."""

    on_their_way: int = 0
    oldest_at: datetime | None = None
    left: int = 0


def lag(indexes: Collection[int] | None = None) -> Lag | None:
    """Of all copies, or of these generations; None where vectors are searched in PostgreSQL itself."""
    if not vectors.is_external():
        return None
    waiting = VectorChange.objects.order_by("id")
    if indexes is not None:
        waiting = waiting.filter(index_id__in=indexes)
    oldest_at = waiting.values_list("created_at", flat=True).first()
    if oldest_at is None:
        return Lag()
    return Lag(waiting.order_by()[:MOST_COUNTED].count(), oldest_at)


def readiness() -> dict[str, dict[str, object]]:
    """What the health check tells of it; searches are right without the store, so that nothing is unavailable."""
    behind = lag()
    if behind is None:
        return {}
    told: dict[str, object] = {
        "waiting": behind.changes,
        "oldest_seconds": behind.seconds,
        "stands_still": behind.stands_still,
    }
    return {"vector_store_outbox": told}


# -- Being told ------------------------------------------------------------------------------------------------------


def tell() -> int:
    """Tell once when the copies stand still, and once when they have caught up; returns how many messages."""
    behind = lag()
    if behind is None or behind.stands_still == _is_told_behind():
        return 0
    if not behind.stands_still and behind.changes:
        # It moves again; that all is well is said when it is.
        return 0
    status = BEHIND if behind.stands_still else CAUGHT_UP
    advice = "Check that the store answers and that `manage.py work` or `manage.py sync_vectors` runs."
    return alerts.tell(
        Event.VECTORS_LAG,
        subject=_("The vector store lags behind") if behind.stands_still else _("The vector store has caught up"),
        text=f"{behind} {_(advice)}" if behind.stands_still else str(behind),
        path=reverse("admin:index"),
        status=status,
        waiting=behind.changes,
        oldest_seconds=behind.seconds,
    )


def _is_told_behind() -> bool:
    said = Delivery.objects.filter(event=Event.VECTORS_LAG).order_by("-created_at")
    return said.values_list("payload__data__status", flat=True).first() == BEHIND


# -- What is still there ---------------------------------------------------------------------------------------------


def remains_of(documents: Collection[UUID], *, indexes: Collection[int]) -> Remains:
    """Look through the copies of these generations, and of those that are gone, for vectors of these documents or of
    chunks that are no more. Raises VectorStoreUnavailable, and TimeoutError for one too large to look through."""
    until = time.monotonic() + SEARCH_SECONDS
    names = vectors.store().names()
    found: list[tuple[int, int]] = []
    for index_id in _copied(indexes):
        if (name := vectors.collection(index_id)) not in names:
            continue
        for batch in vectors.store().chunks(name):
            if time.monotonic() > until:
                raise TimeoutError
            found += [(index_id, chunk) for chunk in _amiss(index_id, batch, documents)]
    return _sorted_out(found)


def _copied(indexes: Collection[int]) -> list[int]:
    copies = VectorCopy.objects.at(settings.VECTOR_DB_TYPE, settings.VECTOR_DB_URL)
    known = KnowledgeIndex.objects.values("pk")
    wanted = copies.filter(Q(index_id__in=indexes) | ~Q(index_id__in=known))
    return list(wanted.values_list("index_id", flat=True))


def _amiss(index_id: int, batch: Sequence[int], documents: Collection[UUID]) -> list[int]:
    rows = Chunk.objects.filter(index_id=index_id, pk__in=batch).exclude(document_id__in=documents)
    return sorted(set(batch) - set(rows.values_list("pk", flat=True)))


def _sorted_out(found: Sequence[tuple[int, int]]) -> Remains:
    """By what the outbox says: a vector whose change is noted there goes with the next look."""
    chunks = [chunk for _index, chunk in found]
    noted = VectorChange.objects.filter(index_id__in={index for index, _chunk in found}, chunk_id__in=chunks)
    since: dict[int, datetime] = {}
    for chunk, at in noted.order_by("-id").values_list("chunk_id", "created_at"):
        since[chunk] = at
    return Remains(len(since), min(since.values(), default=None), len(set(chunks) - set(since)))
