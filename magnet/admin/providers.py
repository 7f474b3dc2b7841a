"""Providers in the admin: an account with those who run models, tested with one click, its models added from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from magnet import gateway
from magnet.admin.base import ObjectPage
from magnet.admin.kinds import Choice, KindFirstAdmin
from magnet.admin.menu import MODELS, MenuEntry
from magnet.admin.offered_models import add_offered, offers
from magnet.admin.provider_form import fieldsets_for, form_for
from magnet.models import Provider
from magnet.providers import PROVIDERS, provider_kind
from magnet.templatetags.magnet_admin import badge_html

ICONS = {"openai": "auto_awesome", "azure_openai": "cloud", "local": "memory"}


@admin.register(Provider)
class ProviderAdmin(KindFirstAdmin):
    menu = [
        MenuEntry(MODELS, 1, gettext_lazy("Providers"), "hub", "admin:magnet_provider_changelist"),
        MenuEntry(MODELS, 8, gettext_lazy("Move configuration"), "move_up", "admin:move"),
        MenuEntry(MODELS, 9, gettext_lazy("Plug-ins"), "extension", "admin:plugins"),
    ]
    question = gettext_lazy("Who runs the models?")
    empty_icon = "hub"
    empty_text = gettext_lazy("A provider runs language models. Without one, answers quote the passages word for word.")
    list_display = ("name", "kind_label", "key", "model_total", "activity")
    list_filter = ("kind", "is_active")
    search_fields = ("name", "slug", "base_url")
    change_form_after_template = "magnet/provider_after.html"
    made_by_form = ("options", "encrypted_api_key")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(model_count=Count("models"))

    @display(description=gettext_lazy("kind"), ordering="kind")
    def kind_label(self, provider: Provider) -> str:
        return provider_kind(provider.kind).label

    @display(description=gettext_lazy("key"))
    def key(self, provider: Provider) -> str:
        if provider_kind(provider.kind).is_built_in:
            return _("needs none")
        if provider.api_key_variable:
            return _("from %(name)s") % {"name": provider.api_key_variable}
        return _("set") if provider.encrypted_api_key else _("not set")

    @display(description=gettext_lazy("models"), ordering="model_count")
    def model_total(self, provider: Any) -> str:
        return str(provider.model_count)

    @display(description=gettext_lazy("status"), ordering="is_active")
    def activity(self, provider: Provider) -> SafeString:
        return badge_html("live", _("Active")) if provider.is_active else badge_html("excluded", _("Off"))

    # -- Adding: first the kind, then the form -------------------------------------------------------------------

    def choices(self) -> list[Choice]:
        return [
            Choice(kind, provider.label, provider.description, ICONS.get(kind, "hub"))
            for kind, provider in PROVIDERS.items()
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = form_for(self.kind_of(request, obj), obj)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return fieldsets_for(self.kind_of(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("slug",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        provider = kwargs.get("obj")
        if provider is not None:
            context["models"] = provider.models.order_by("purpose", "name")
        return super().render_change_form(request, context, *args, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_missing = obj is not None and obj.kind not in PROVIDERS
        return bool(super().has_change_permission(request, obj)) and not is_missing

    # -- Test connection, and what it offers ----------------------------------------------------------------------

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("check", self.test_connection, "change", ("POST",)),
            ObjectPage("add-models", self.add_models, "change", ("POST",)),
        )

    def test_connection(self, request: HttpRequest, provider: Any) -> HttpResponseBase:
        """Ask the provider for its models: proof that it answers and takes the key."""
        names = sorted(gateway.run_from_sync(gateway.check(provider)))
        known = set(provider.models.values_list("model_name", flat=True))
        text = ngettext("It answers, and offers %(n)d model.", "It answers, and offers %(n)d models.", len(names))
        return JsonResponse({"detail": text % {"n": len(names)}, "models": offers(names, known=known)})

    @transaction.atomic
    def add_models(self, request: HttpRequest, provider: Any) -> HttpResponseBase:
        added = add_offered(provider, request.POST.getlist("offered"))
        text = ngettext("%(n)d model is added.", "%(n)d models are added.", len(added)) % {"n": len(added)}
        messages.success(request, _("%(text)s Check its prices.") % {"text": text})
        return HttpResponseRedirect(self.url_of(provider))
