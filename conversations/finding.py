"""Whose conversations somebody may see and change: those of others do not exist, unless one may read all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from conversations.models import Confirmation, Conversation, Message
from magnet import trace_texts
from magnet.callers import Caller, current_caller
from magnet.errors import NotAllowed, NotFound
from magnet.models import User
from magnet.models.access import ApiKey
from magnet.web import auth

RUN, READ, WRITE = "agents:run", "conversations:read", "conversations:write"


def rows(caller: Caller) -> Any:
    """The conversations that the caller may read."""
    return Conversation.objects.all() if caller.may(READ) else Conversation.objects.of(caller)


def readable(conversation_id: UUID) -> Conversation:
    """Raises NotFound, also for a conversation of somebody else."""
    return _found(conversation_id, may=READ)


def own(conversation_id: UUID) -> Conversation:
    """The conversation, if the caller may speak in it."""
    return _found(conversation_id, may=None)


def changeable(conversation_id: UUID) -> Conversation:
    """Whoever speaks in it may close and cancel, and whoever may change conversations."""
    return _found(conversation_id, may=WRITE)


def message(message_id: UUID) -> Message:
    """An answer in a conversation of the caller. Raises NotFound."""
    row = Message.objects.select_related("conversation").filter(pk=message_id, role=Message.Role.ASSISTANT).first()
    if row is None or not _may(row.conversation, READ):
        raise NotFound(f"There is no answer {message_id} of yours.")
    found: Message = row
    return found


def confirmation(conversation_id: UUID, confirmation_id: UUID) -> Confirmation:
    conversation = changeable(conversation_id)
    rows = Confirmation.objects.select_related("message").filter(message__conversation=conversation)
    row = rows.filter(pk=confirmation_id).first()
    if row is None:
        raise NotFound(f"There is no confirmation {confirmation_id} in this conversation.")
    found: Confirmation = row
    return found


def hide(conversation: Conversation, messages: Sequence[Message]) -> bool:
    """Take the texts out of messages that quote what the caller may not find, but for the owner, who was told them."""
    if conversation.belongs_to(current_caller()):
        return False
    hidden = [message for message in messages if message.documents and trace_texts.quote_hidden(message.documents)]
    for message in hidden:
        message.hide()
    return bool(hidden)


def followable(conversation_id: UUID) -> Conversation:
    """The conversation, if the caller may read its events, which quote documents as they were found."""
    conversation = readable(conversation_id)
    caller = current_caller()
    if caller.groups is not None and not conversation.belongs_to(caller):
        raise NotAllowed("These events may quote documents that you may not find. Read the messages instead.")
    return conversation


def _found(conversation_id: UUID, *, may: str | None) -> Conversation:
    row = Conversation.objects.select_related("agent", "analysis").filter(pk=conversation_id).first()
    if row is None or not _may(row, may):
        raise NotFound(f"There is no conversation {conversation_id} of yours.")
    found: Conversation = row
    return found


def _may(conversation: Conversation, scope: str | None) -> bool:
    caller = current_caller()
    return conversation.belongs_to(caller) or (scope is not None and caller.may(scope))


# -- As whom a turn is carried out -----------------------------------------------------------------------------------


def caller_of(conversation: Conversation) -> Caller:
    """The owner as they are now, whoever asks: a turn finds what its owner may find, and nothing more."""
    caller = current_caller()
    if not conversation.belongs_to(caller):
        caller = replace(_owner(conversation), request_id=caller.request_id)
    if conversation.person and caller.kind == "key":
        # Groups that the key has lost meanwhile are lost here, too.
        caller = caller.acting_for(conversation.person, conversation.groups or ())
    return caller


def _owner(conversation: Conversation) -> Caller:
    gone = Caller(kind="user", id=conversation.caller_id, label=conversation.caller_label, groups=())
    if conversation.caller_type == "user":
        user = User.objects.filter(pk=conversation.caller_id, is_active=True).first()
        return auth.caller_for(user) if user is not None else gone
    key = ApiKey.objects.select_related("owner").filter(pk=conversation.caller_id).first()
    return auth.known_key(key).caller if key is not None else replace(gone, kind="key")
