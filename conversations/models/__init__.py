"""The tables of conversations: what was said, what happened in each turn, and what people decided."""

from conversations.models.confirmations import Confirmation
from conversations.models.conversations import Conversation
from conversations.models.findings import ConversationAnalysis
from conversations.models.keeping import AgentRetention, Erasure
from conversations.models.messages import Message, TurnEvent

__all__ = [
    "AgentRetention",
    "Confirmation",
    "Conversation",
    "ConversationAnalysis",
    "Erasure",
    "Message",
    "TurnEvent",
]
