"""What other systems are told of conversations: webhooks for an answer, a confirmation that is needed, and the end."""

from __future__ import annotations

from conversations.models import Conversation, Message
from magnet import alerts
from magnet.models.webhooks import Event


def of_turn(conversation: Conversation, message: Message) -> None:
    """Within the transaction in which the turn ended. The texts themselves are not sent: they are asked for."""
    if message.status == Message.Status.AWAITING_CONFIRMATION:
        _tell(Event.CONFIRMATION_NEEDED, conversation, message, said="waits for a confirmation")
    elif message.status == Message.Status.DONE:
        _tell(Event.MESSAGE_COMPLETED, conversation, message, said="has a new answer")


def of_close(conversation: Conversation) -> None:
    _tell(Event.CONVERSATION_CLOSED, conversation, None, said="was closed")


def _tell(event: Event, conversation: Conversation, message: Message | None, *, said: str) -> None:
    about = f"A conversation with the agent “{conversation.agent_slug}” {said}."
    data = {"conversation_id": str(conversation.pk), "agent": conversation.agent_slug, "user": conversation.person}
    if message is not None:
        data |= {"message_id": str(message.pk), "status": message.status}
    path = f"/admin/conversations/conversation/{conversation.pk}/change/"
    alerts.tell(event, subject=about, text=about, path=path, by_mail=False, **data)
