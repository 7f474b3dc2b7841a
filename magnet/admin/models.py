"""Models in the admin: what each is for, what it can do and what it costs, and which one is the default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from magnet.admin import deletion
from magnet.admin.base import MagnetAdmin, ObjectPage
from magnet.admin.menu import MODELS, MenuEntry
from magnet.models import AIModel, AuditEntry
from magnet.templatetags.magnet_admin import badge_html

CHAT_ONLY = ("can_stream", "can_call_tools", "can_follow_schema", "can_see", "can_reason", "takes_temperature")
EMBEDDING_ONLY = ("dimensions", "max_input_tokens", "is_multilingual")


@admin.register(AIModel)
class AIModelAdmin(MagnetAdmin):
    menu = [MenuEntry(MODELS, 2, gettext_lazy("Models"), "neurology", "admin:magnet_aimodel_changelist")]
    empty_icon = "neurology"
    empty_text = gettext_lazy("Models come with a provider: open one and test its connection to see what it offers.")
    list_display = ("name", "provider", "purpose_label", "default", "prices", "activity")
    list_filter = ("purpose", "provider", "is_active")
    search_fields = ("name", "slug", "model_name")
    list_select_related = ("provider",)
    change_form_after_template = "magnet/model_after.html"
    conditional_fields = {
        **dict.fromkeys(CHAT_ONLY, "purpose == 'chat'"),
        **dict.fromkeys(EMBEDDING_ONLY, "purpose == 'embedding'"),
        "context_tokens": "purpose == 'chat'",
        "max_output_tokens": "purpose == 'chat'",
        "output_price": "purpose == 'chat'",
        "cached_input_price": "purpose == 'chat'",
        "fusion_weight": "purpose == 'embedding'",
        "score_floor": "purpose == 'embedding'",
        "score_ceiling": "purpose == 'embedding'",
    }
    fieldsets = (
        (
            None,
            {"fields": ("name", "slug", "description", "provider", "model_name", "purpose", "is_active", "fallback")},
        ),
        (
            gettext_lazy("Prices, US dollars per million tokens"),
            {"fields": ("input_price", "cached_input_price", "output_price")},
        ),
        (
            gettext_lazy("What it can do"),
            {"fields": ("context_tokens", "max_output_tokens", *CHAT_ONLY, *EMBEDDING_ONLY)},
        ),
        (
            gettext_lazy("How its scores count"),
            {"fields": ("fusion_weight", "score_floor", "score_ceiling"), "classes": ["collapse"]},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("provider")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        if obj is None:
            return ()
        # What is embedded was embedded with these.
        indexed = ("dimensions",) if obj.purpose == AIModel.Purpose.EMBEDDING and obj.indexes.exists() else ()
        return ("slug", "purpose", "provider", *indexed)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    @display(description=gettext_lazy("purpose"), ordering="purpose")
    def purpose_label(self, model: AIModel) -> str:
        return str(model.get_purpose_display())

    @display(description=gettext_lazy("default"))
    def default(self, model: AIModel) -> SafeString | str:
        return badge_html("live", _("Default")) if model.is_default else "–"

    @display(description=gettext_lazy("prices"))
    def prices(self, model: AIModel) -> str:
        if not model.input_price and not model.output_price:
            return _("free")
        amounts = [f"${model.input_price.normalize():f}"]
        if model.purpose == AIModel.Purpose.CHAT:
            amounts.append(f"${model.output_price.normalize():f}")
        return " / ".join(amounts)

    @display(description=gettext_lazy("status"), ordering="is_active")
    def activity(self, model: AIModel) -> SafeString:
        return badge_html("live", _("Active")) if model.is_active else badge_html("excluded", _("Off"))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        model = kwargs.get("obj")
        if model is not None:
            context["uses"] = deletion.uses_of(model)
        return super().render_change_form(request, context, *args, **kwargs)

    def object_pages(self) -> Sequence[ObjectPage]:
        return (ObjectPage("make-default", self.make_default, "change", ("POST",)),)

    @transaction.atomic
    def make_default(self, request: HttpRequest, model: Any) -> HttpResponseBase:
        model.make_default()
        AuditEntry.record("made the default", model)
        messages.success(
            request,
            _("“%(name)s” is used wherever no %(purpose)s model is named.")
            % {"name": model.name, "purpose": model.get_purpose_display().lower()},
        )
        return HttpResponseRedirect(self.url_of(model))
