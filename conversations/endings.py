"""How turns end: their row, their last event and what follows from it are written in one transaction, exactly once.

Whoever ends a turn holds its conversation first and then its message: of several that try, one finds it still at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import connection
from django.utils import timezone

from conversations import telling, titles
from conversations.event_log import CHANNEL, Numbered
from conversations.models import Confirmation, Conversation, Message, TurnEvent
from magnet.cleaning import storable
from magnet.database import one_transaction
from magnet.errors import ConfirmationExpired, MagnetError, TurnLost
from magnet.web.problems import problem

log = structlog.get_logger(__name__)

CONFIRMATION_HOURS = 24
# How many turns of dead processes are closed at once.
BATCH = 100


@dataclass(frozen=True)
class Outcome:
    """What became of a turn. `said` are columns of its message; `problem` is set where it failed."""

    status: str
    said: dict[str, Any] = field(default_factory=dict)
    problem: dict[str, Any] | None = None
    confirmations: Sequence[dict[str, Any]] = ()
    # What the agent remembers of the oldest messages from now on, and of how many of those it was given.
    summary: str | None = None
    summarised: int = 0

    @classmethod
    def failed(cls, error: MagnetError, **said: Any) -> Outcome:
        return cls(Message.Status.FAILED, said, problem=problem(error))

    @classmethod
    def cancelled(cls, **said: Any) -> Outcome:
        return cls(Message.Status.CANCELLED, said)


@one_transaction
def end(message_id: UUID, outcome: Outcome, *, holder: UUID | None = None, origin: str = "-") -> Numbered | None:
    """End the stretch of a turn that is at work, or waits; None where somebody else has done so.

    With `holder`, only as long as the turn is its own.
    """
    message = locked(message_id)
    if message is None or not message.is_unfinished or (holder is not None and message.holder != holder):
        return None
    conversation, had_paused = message.conversation, message.paused is not None
    _write_message(message, outcome)
    if had_paused:
        # Nobody can answer any more what the turn has not waited for.
        message.confirmations.waiting().update(status=Confirmation.Status.WITHDRAWN, answered_at=timezone.now())
    if outcome.status == Message.Status.AWAITING_CONFIRMATION:
        _ask_for_confirmations(message, outcome)
    _carry_over(conversation, message, outcome)
    written = _write_terminal(conversation, message, outcome)
    telling.of_turn(conversation, message)
    titles.want_better(conversation, message)
    _notify(origin, conversation)
    return written


def locked(message_id: UUID) -> Message | None:
    """The message with its conversation, both held until the transaction ends."""
    row = Message.objects.filter(pk=message_id).values_list("conversation_id", flat=True).first()
    held = Conversation.objects.select_for_update(no_key=True).filter(pk=row).first() if row else None
    message: Message | None = Message.objects.select_for_update(no_key=True).filter(pk=message_id).first()
    if held is None or message is None:
        return None
    message.conversation = held
    return message


def _write_message(message: Message, outcome: Outcome) -> None:
    message.status, message.failure = outcome.status, outcome.problem
    waits = outcome.status == Message.Status.AWAITING_CONFIRMATION
    for name, value in outcome.said.items():
        setattr(message, name, storable(value) if name != "cost" else value)
    message.paused = message.paused if waits else None
    message.holder = message.heartbeat_at = None
    message.ended_at = None if waits else timezone.now()
    message.save()


def _ask_for_confirmations(message: Message, outcome: Outcome) -> None:
    expires_at = timezone.now() + timedelta(hours=CONFIRMATION_HOURS)
    known = ("id", "call_id", "action", "name", "label", "arguments", "sentence")
    Confirmation.objects.bulk_create(
        Confirmation(message=message, expires_at=expires_at, **{name: asked[name] for name in known if name in asked})
        for asked in map(storable, outcome.confirmations)
    )


def _carry_over(conversation: Conversation, message: Message, outcome: Outcome) -> None:
    """What the turn leaves to the next one."""
    spent = Message.objects.filter(conversation=conversation).values_list("cost", flat=True)
    conversation.cost = sum(spent, Decimal(0))
    conversation.topic = message.topic or conversation.topic
    if outcome.summary is not None:
        given = list(Message.objects.to_remember(conversation, before=message.position - 1))[::-1]
        conversation.summarised_to = given[min(outcome.summarised, len(given)) - 1].position
        conversation.summary = storable(outcome.summary)
    conversation.last_event += 1
    conversation.last_message_at = timezone.now()
    columns = ("cost", "topic", "summary", "summarised_to", "last_event", "last_message_at", "updated_at")
    conversation.save(update_fields=columns)


def _write_terminal(conversation: Conversation, message: Message, outcome: Outcome) -> Numbered:
    name = "error" if outcome.problem is not None else "completed"
    data = outcome.problem if outcome.problem is not None else as_completed(message)
    told = storable({"message_id": str(message.pk), "conversation_id": str(conversation.pk), **data})
    row = TurnEvent.objects.create(
        conversation=conversation, message=message, number=conversation.last_event, name=name, data=told
    )
    return Numbered(row.number, message.pk, name, told)


def as_completed(message: Message) -> dict[str, Any]:
    """What `completed` tells of a message, cancelled ones and those that wait included."""
    return {
        "status": message.status,
        "text": message.text,
        "topic": message.topic,
        "steps": message.steps,
        "passages": message.passages,
        "usage": message.usage,
        "cost": format(message.cost.normalize(), "f"),
        "model": message.model,
        "trace_id": str(message.trace_id) if message.trace_id else None,
        "duration_ms": message.duration_ms,
        "stopped_by": message.stopped_by,
    }


def _notify(origin: str, conversation: Conversation) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify(%s, %s)", [CHANNEL, f"{origin} {conversation.pk} {conversation.last_event}"])


# -- What died, and what nobody has answered -------------------------------------------------------------------------


def close_abandoned(conversation_id: UUID | None = None) -> int:
    """End the turns whose process has died, and those that waited too long for a person; returns how many."""
    turns = Message.objects.abandoned().order_by("heartbeat_at")
    asked = Confirmation.objects.overdue()
    if conversation_id is not None:
        turns = turns.filter(conversation=conversation_id)
        asked = asked.filter(message__conversation=conversation_id)
    dead = list(turns.values_list("pk", flat=True)[:BATCH])
    late = list(asked.order_by("message_id").values_list("message_id", flat=True).distinct()[:BATCH])
    return sum([*map(_end_dead, dead), *map(_end_late, late)])


@one_transaction
def _end_dead(message_id: UUID) -> bool:
    message = locked(message_id)
    if message is None or not Message.objects.abandoned().filter(pk=message_id).exists():
        return False
    log.warning("turn_lost", message=str(message_id), conversation=str(message.conversation_id))
    return end(message_id, Outcome.failed(TurnLost(), text=said_so_far(message_id))) is not None


@one_transaction
def _end_late(message_id: UUID) -> bool:
    message = locked(message_id)
    if message is None or not message.confirmations.overdue().exists():
        return False
    message.confirmations.overdue().update(status=Confirmation.Status.EXPIRED, answered_at=timezone.now())
    return end(message_id, Outcome.failed(ConfirmationExpired())) is not None


def said_so_far(message_id: UUID) -> str:
    """The text of a turn that nobody has finished, from its events."""
    texts = TurnEvent.objects.filter(message=message_id, name="text").order_by("number")
    return "".join(str(data.get("text", "")) for data in texts.values_list("data", flat=True))
