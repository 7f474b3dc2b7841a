"""The pages of conversations in the admin."""

from conversations.admin import conversations, keeping

__all__ = ["conversations", "keeping"]
