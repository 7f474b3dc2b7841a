"""For how long conversations of an agent are kept, and the proofs of what was erased."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy

from conversations.models import AgentRetention, Erasure
from magnet.admin.base import MagnetAdmin, ReadOnlyAdmin
from magnet.admin.menu import CONVERSATIONS, MenuEntry


@admin.register(AgentRetention)
class AgentRetentionAdmin(MagnetAdmin):
    menu = [
        MenuEntry(
            CONVERSATIONS, 2, gettext_lazy("Retention"), "auto_delete", "admin:conversations_agentretention_changelist"
        )
    ]
    empty_icon = "auto_delete"
    empty_text = gettext_lazy("Conversations are kept as long as the installation says, or as their agent does.")
    list_display = ("agent", "days")
    search_fields = ("agent__name", "agent__slug")
    fields = ("agent", "days")
    list_select_related = ("agent",)


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    menu = [
        MenuEntry(CONVERSATIONS, 3, gettext_lazy("Erasures"), "person_remove", "admin:conversations_erasure_changelist")
    ]
    empty_icon = "person_remove"
    empty_text = gettext_lazy("When a person's data is erased over the API, the proof stands here.")
    list_display = ("fingerprint", "counts", "held", "actor_label", "created_at")
    search_fields = ("fingerprint",)
