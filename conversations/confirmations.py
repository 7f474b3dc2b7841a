"""Answers to calls that wait: each is answered once, by the owner or somebody allowed, and put on record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone

from conversations import endings, turns
from conversations.models import Confirmation, Message
from conversations.turns import Begun
from magnet.callers import current_caller
from magnet.database import in_database, one_transaction
from magnet.errors import ConfirmationExpired, Conflict
from magnet.models import AuditEntry

WITHDRAWN = "The turn that asked for this has ended, so there is nothing to confirm any more."


async def answer(
    confirmation: Confirmation, *, is_approved: bool, comment: str = "", for_conversation: bool = False
) -> Begun | None:
    """Say yes or no to one call; when it was the last that waited, the turn goes on. None while others wait.

    `for_conversation` approves every call of this action in this conversation. Raises Conflict for one that was
    answered, withdrawn or has expired.
    """
    if confirmation.is_overdue:
        await in_database(endings.close_abandoned, confirmation.message.conversation_id)
        raise ConfirmationExpired
    given: dict[str, Any] = {
        "is_approved": is_approved,
        "comment": comment,
        "for_conversation": for_conversation and is_approved,
    }
    await in_database(_note, confirmation.pk, confirmation.message_id, **given)
    return await turns.go_on(confirmation.message_id)


@one_transaction
def _note(confirmation_id: UUID, message_id: UUID, *, is_approved: bool, comment: str, for_conversation: bool) -> None:
    message = endings.locked(message_id)
    row = Confirmation.objects.select_for_update().get(pk=confirmation_id)
    if message is None or not row.is_waiting or message.status != Message.Status.AWAITING_CONFIRMATION:
        raise _too_late(row)
    status = Confirmation.Status.APPROVED if is_approved else Confirmation.Status.REFUSED
    rows = Confirmation.objects.filter(pk=row.pk)
    if for_conversation:
        rows = message.confirmations.waiting().filter(action=row.action)
        approved = sorted({*message.conversation.approved, row.action})
        message.conversation.approved = approved
        message.conversation.save(update_fields=["approved", "updated_at"])
    by: dict[str, Any] = {"answered_at": timezone.now(), "answered_by": _who()}
    rows.update(status=status, comment=comment, is_for_conversation=for_conversation, **by)
    AuditEntry.record(
        "approved" if is_approved else "refused", row,
        conversation=str(message.conversation_id), call=row.name or row.action, for_conversation=for_conversation,
    )  # fmt: skip


def _who() -> str:
    caller = current_caller()
    return f"{caller.label} · {caller.person}"[:300] if caller.person else caller.label[:300]


def _too_late(row: Confirmation) -> Conflict:
    if row.status == Confirmation.Status.EXPIRED:
        return ConfirmationExpired()
    if row.status in (Confirmation.Status.APPROVED, Confirmation.Status.REFUSED):
        said = row.get_status_display().lower()
        return Conflict(f"This was answered already: {said} by {row.answered_by}.", status_of_confirmation=row.status)
    return Conflict(WITHDRAWN, status_of_confirmation=row.status)
