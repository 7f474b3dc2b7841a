"""Models in the admin: what each is for, what it can do and what it costs, and which one is the default."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from magnet.admin import deletion
from magnet.admin.base import ObjectPage
from magnet.admin.kinds import Choice, KindFirstAdmin
from magnet.admin.menu import MODELS, MenuEntry
from magnet.admin.model_boxes import model_boxes, model_pages
from magnet.models import AIModel, AuditEntry
from magnet.templatetags.magnet_admin import badge_html

PURPOSES = {
    AIModel.Purpose.CHAT: (gettext_lazy("Writes answers."), "chat"),
    AIModel.Purpose.EMBEDDING: (gettext_lazy("Lets texts be found by their meaning."), "scatter_plot"),
    AIModel.Purpose.RERANK: (gettext_lazy("Puts found passages into a better order."), "sort"),
}
PRICES = ("input_price", "cached_input_price", "output_price")
CHAT_ONLY = ("can_stream", "can_call_tools", "can_follow_schema", "can_see", "can_reason", "takes_temperature")
EMBEDDING_ONLY = ("dimensions", "max_input_tokens", "is_multilingual")


class AIModelForm(forms.ModelForm):
    purpose = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in PRICES:
            if (price := self.initial.get(name)) is not None:
                # Ten places are for the sums; people read 0.4.
                self.initial[name] = f"{Decimal(price).normalize():f}"

        if "fallback" in self.fields:
            field: Any = self.fields["fallback"]
            # Only what can answer in its place.
            field.queryset = AIModel.objects.filter(purpose=self.purpose).exclude(pk=self.instance.pk)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        self.instance.purpose = self.purpose
        if self.purpose == AIModel.Purpose.EMBEDDING and "dimensions" in self.fields and not cleaned.get("dimensions"):
            self.add_error("dimensions", _("Say how many numbers a text becomes, such as 1536."))
        return cleaned


def fieldsets_for(purpose: str) -> list[tuple[Any, dict[str, Any]]]:
    """What stands on the form of a model for this purpose, in groups."""
    is_chat, is_embedding = purpose == AIModel.Purpose.CHAT, purpose == AIModel.Purpose.EMBEDDING
    prices = PRICES if is_chat else PRICES[:1]
    groups: list[tuple[Any, dict[str, Any]]] = [
        (None, {"fields": ("name", "slug", "provider", "model_name", "description", "is_active")}),
        (_("Prices, US dollars per million tokens"), {"fields": (prices,)}),
    ]
    if is_chat:
        limits = ("context_tokens", "max_output_tokens")
        groups.append((_("What it can do"), {"fields": (limits, *CHAT_ONLY, "fallback")}))
    if is_embedding:
        scores = ("fusion_weight", "score_floor", "score_ceiling")
        groups.append((_("Its vectors"), {"fields": EMBEDDING_ONLY}))
        groups.append((_("How its scores count"), {"fields": (scores,), "classes": ["collapse"]}))
    return groups


@admin.register(AIModel)
class AIModelAdmin(KindFirstAdmin):
    menu = [MenuEntry(MODELS, 2, gettext_lazy("Models"), "neurology", "admin:magnet_aimodel_changelist")]
    kind_field = "purpose"
    question = gettext_lazy("What is the model for?")
    empty_icon = "neurology"
    empty_text = gettext_lazy("Models come with a provider: open one and test its connection to see what it offers.")
    list_display = ("name", "provider", "purpose_label", "default", "prices", "activity")
    list_filter = ("purpose", "provider", "is_active")
    search_fields = ("name", "slug", "model_name")
    list_select_related = ("provider",)
    change_form_after_template = "magnet/model_after.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("provider")

    def choices(self) -> list[Choice]:
        labels = dict(AIModel.Purpose.choices)
        return [Choice(name, str(labels[name]), str(text), icon) for name, (text, icon) in PURPOSES.items()]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = type("AIModelFormOfPurpose", (AIModelForm,), {"purpose": self.kind_of(request, obj)})
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return fieldsets_for(self.kind_of(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        if obj is None:
            return ()
        # What is embedded was embedded with these.
        indexed = ("dimensions",) if obj.has_indexed else ()
        return ("slug", "provider", *indexed)

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
            context |= {"uses": deletion.uses_of(model), "boxes": model_boxes(request, model)}
        return super().render_change_form(request, context, *args, **kwargs)

    def object_pages(self) -> Sequence[ObjectPage]:
        return (ObjectPage("make-default", self.make_default, "change", ("POST",)), *model_pages())

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
