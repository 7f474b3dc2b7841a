"""Who did what, in the admin: a list that nobody can change."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from magnet.admin.base import ObjectPage, ReadOnlyAdmin
from magnet.admin.menu import PEOPLE, MenuEntry
from magnet.admin.naming import Name, names
from magnet.models import AuditEntry
from magnet.templatetags.magnet_admin import ago_titled


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    menu = [MenuEntry(PEOPLE, 4, gettext_lazy("Who did what"), "history", "admin:magnet_auditentry_changelist")]
    empty_icon = "history"
    empty_text = gettext_lazy("Every change that a person or a key makes leaves an entry here.")
    list_display = ("moment", "actor_label", "verb", "object_label", "kind", "details")
    list_filter = ("verb", "actor_type", "object_type", ("created_at", admin.DateFieldListFilter))
    search_fields = ("actor_label", "object_label", "object_id", "request_id")

    @display(description=gettext_lazy("when"), ordering="created_at")
    def moment(self, entry: AuditEntry) -> SafeString:
        return ago_titled(entry.created_at)

    @display(description=gettext_lazy("kind"), ordering="object_type")
    def kind(self, entry: AuditEntry) -> str:
        return kind_in_words(entry.object_type)

    @display(description=gettext_lazy("details"))
    def details(self, entry: AuditEntry) -> str:
        text = ", ".join(f"{key.replace('_', ' ')}: {in_words(value)}" for key, value in entry.changes.items())
        return text if len(text) <= 160 else f"{text[:160]}…"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        return self._object_view(ObjectPage("read", self.read))(request, object_id)

    def read(self, request: HttpRequest, entry: Any) -> HttpResponseBase:
        changes = [(capfirst(key.replace("_", " ")), in_words(value)) for key, value in entry.changes.items()]
        kind = kind_in_words(entry.object_type)
        return self.page(
            request, entry, "magnet/audit_entry.html", entry=entry, changes=changes, kind=kind, proof=proof_of(entry)
        )


def proof_of(entry: AuditEntry) -> Name | None:
    """Where it can be proved that what was deleted is gone; None where that cannot be asked."""
    if entry.verb != "deleted" or entry.object_type != "knowledge.document" or "source" not in entry.changes:
        return None
    key = (entry.changes["source"], entry.object_label)
    return names("proof", [key]).get(key)


def kind_in_words(object_type: str) -> str:
    """The label of a model, also of one that is no longer there."""
    try:
        return str(capfirst(apps.get_model(object_type)._meta.verbose_name))
    except (LookupError, ValueError):
        return object_type


def in_words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "–"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {in_words(item)}" for key, item in value.items())
    return "–" if value in (None, "") else str(value)
