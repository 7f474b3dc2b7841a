"""Conversations end: by request, or when nobody has written for as long as their agent waits. Twice does no harm."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.utils import timezone

from conversations import endings, telling
from conversations.endings import Outcome
from conversations.models import Conversation, Message
from magnet import queue
from magnet.database import one_transaction
from magnet.errors import TurnAtWork

log = structlog.get_logger(__name__)

BATCH = 200
ANALYSE = "conversations.jobs.analyse"


@one_transaction
def close(conversation_id: UUID) -> Conversation:
    """Close it; what waits for a confirmation is cancelled. Raises TurnAtWork while the agent is answering."""
    conversation: Conversation = Conversation.objects.select_for_update(no_key=True).get(pk=conversation_id)
    if not conversation.is_open:
        return conversation
    endings.close_abandoned(conversation_id)
    for message in Message.objects.filter(conversation=conversation).unfinished():
        if message.is_at_work:
            raise TurnAtWork("The agent is still answering. Cancel the turn, or close when it has ended.")
        endings.end(message.pk, Outcome.cancelled())
    conversation.refresh_from_db()
    conversation.end(at=timezone.now())
    telling.of_close(conversation)
    queue.enqueue(ANALYSE, str(conversation.pk))
    return conversation


def close_due() -> int:
    """Close some of those whose time is over; returns how many."""
    due = Conversation.objects.due_to_close(timezone.now()).order_by("closes_at")
    return sum(map(_close_if_due, list(due.values_list("pk", flat=True)[:BATCH])))


@one_transaction
def _close_if_due(conversation_id: UUID) -> bool:
    """Somebody may have written since, and another process may have been faster."""
    held = Conversation.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=conversation_id).first()
    if held is None or not Conversation.objects.due_to_close(timezone.now()).filter(pk=conversation_id).exists():
        return False
    close(conversation_id)
    return True
