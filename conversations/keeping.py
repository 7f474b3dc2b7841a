"""For how long a conversation is kept."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from conversations.models import AgentRetention, Conversation


def kept_for(conversation: Conversation) -> timedelta:
    """From its last message on: as its agent says, else as the installation says."""
    own = AgentRetention.objects.filter(agent=conversation.agent_id).values_list("days", flat=True).first()
    return timedelta(days=own or settings.CONVERSATION_DAYS)
