"""For how long a conversation is kept."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import F

from conversations.models import AgentRetention, Conversation
from conversations.models.conversations import ConversationQuerySet


def kept_for(conversation: Conversation) -> timedelta:
    """From its last message on: as its agent says, else as the installation says."""
    own = AgentRetention.objects.filter(agent=conversation.agent_id).values_list("days", flat=True).first()
    return timedelta(days=own or settings.CONVERSATION_DAYS)


def keep_anew() -> None:
    """A retention that was changed counts for what was said before, too."""
    own = dict(AgentRetention.objects.values_list("agent_id", "days"))
    for agent_id, days in own.items():
        _keep(Conversation.objects.filter(agent=agent_id), days=days)
    _keep(Conversation.objects.exclude(agent__in=list(own)), days=settings.CONVERSATION_DAYS)


def _keep(rows: ConversationQuerySet, *, days: int) -> None:
    until = F("last_message_at") + timedelta(days=days)
    rows.exclude(kept_until=until).update(kept_until=until)
