"""The data of a person is taken away on request, with a proof that can be shown; and what was kept long enough goes.

Backups stand outside, and the proof says so.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from conversations import keeping
from conversations.models import Conversation, Erasure, Message, TurnEvent
from magnet import tracing
from magnet.callers import current_caller
from magnet.database import one_transaction
from magnet.errors import InvalidInput, TurnAtWork
from magnet.models import AuditEntry, Delivery, Feedback, IdempotentRequest, Trace

log = structlog.get_logger(__name__)

BATCH = 100
STATEMENT = (
    "The conversations of this person, their messages, events, confirmations and analyses, the traces of the person, "
    "and what was kept of them in webhooks and for requests sent twice, are deleted. Backups are not touched: they "
    "lose it when they expire. Conversations under a legal hold are kept until it is lifted."
)


def fingerprint(person: str) -> str:
    """By which a person can have it proved, without being named."""
    return hashlib.sha256(person.strip().casefold().encode()).hexdigest()


def erase(person: str) -> Erasure:
    """Delete all that this person has said and was answered. Raises TurnAtWork while an agent is answering them."""
    if not person.strip():
        raise InvalidInput("Name the person whose data is to go.")
    theirs = Conversation.objects.filter(person__iexact=person.strip())
    if Message.objects.filter(conversation__in=theirs).at_work().exists():
        raise TurnAtWork("The agent is still answering this person. Cancel the turn, or try again in a moment.")
    # What was recorded a moment ago may still be on its way.
    tracing.flush()
    counts: Counter[str] = Counter()
    free = theirs.filter(is_held=False)
    while ids := list(free.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        counts.update(_remove(ids))
    counts.update(_remove_traces(person.strip()))
    return _prove(person, counts, held=theirs.count())


@one_transaction
def _prove(person: str, counts: Counter[str], *, held: int) -> Erasure:
    proof = Erasure.objects.create(
        fingerprint=fingerprint(person), counts=dict(counts), held=held, actor_label=current_caller().label[:300]
    )
    AuditEntry.record("erased a person", proof, **counts)
    return proof


def forget_old() -> int:
    """Delete the conversations whose time is over; returns how many."""
    keeping.keep_anew()
    total = 0
    while ids := list(Conversation.objects.due_to_go(timezone.now()).values_list("pk", flat=True)[:BATCH]):
        total += _remove(ids)["conversations"]
    return total


@one_transaction
def _remove(ids: Sequence[UUID]) -> Counter[str]:
    rows = Conversation.objects.select_for_update().filter(pk__in=ids, is_held=False).order_by("pk")
    held = [row.pk for row in rows]
    messages = Message.objects.filter(conversation__in=held)
    traces = [trace for trace in messages.values_list("trace_id", flat=True) if trace]
    names = [str(pk) for pk in held]
    counts = Counter(
        conversations=len(held),
        messages=messages.count(),
        events=TurnEvent.objects.filter(conversation__in=held).count(),
        traces=_delete(Trace.objects.filter(pk__in=traces)),
        deliveries=_delete(Delivery.objects.filter(payload__data__conversation_id__in=names)),
        requests=_delete(IdempotentRequest.objects.filter(pk__in=IdempotentRequest.objects.naming(held))),
    )
    Conversation.objects.filter(pk__in=held).delete()
    return counts


@one_transaction
def _remove_traces(person: str) -> Counter[str]:
    """Also of what they have asked outside of conversations; of held ones they stay."""
    held = Message.objects.filter(conversation__is_held=True).exclude(trace_id=None).values("trace_id")
    traces = Trace.objects.filter(person__iexact=person).exclude(pk__in=held)
    feedback = Feedback.objects.filter(person__iexact=person).exclude(trace__in=held)
    return Counter(feedback=_delete(feedback), traces=_delete(traces))


def _delete(rows: QuerySet[Any]) -> int:
    """How many rows of this table went; what hangs on them goes as well."""
    return int(rows.delete()[1].get(rows.model._meta.label, 0))
