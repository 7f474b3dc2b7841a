"""Webhooks and what was sent to them: make one, test it, see each delivery, send it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from magnet import alerts
from magnet.admin.base import MagnetAdmin, ObjectPage, ReadOnlyAdmin
from magnet.admin.menu import INSIGHT, MenuEntry
from magnet.models import AuditEntry, Delivery, Webhook
from magnet.models.webhooks import Event
from magnet.outbound.addresses import host_and_port
from magnet.templatetags.magnet_admin import ago_titled, badge_html

TONES = {
    Delivery.Status.WAITING: "pending",
    Delivery.Status.DELIVERED: "live",
    Delivery.Status.FAILED: "failed",
}


class WebhookForm(forms.ModelForm):
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Tell it of"),
        choices=[(event.value, event.label) for event in Event if event is not Event.TEST],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        error_messages={"required": gettext_lazy("Choose at least one.")},
    )

    class Meta:
        model = Webhook
        fields = ("name", "url", "events", "is_active")

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        host_and_port(url)
        return url


@admin.register(Webhook)
class WebhookAdmin(MagnetAdmin):
    menu = [MenuEntry(INSIGHT, 8, gettext_lazy("Webhooks"), "webhook", "admin:magnet_webhook_changelist")]
    empty_icon = "webhook"
    empty_text = gettext_lazy("A webhook tells another system when a sync fails, recovers, is late or waits.")
    form = WebhookForm
    list_display = ("name", "url", "state", "undelivered")
    search_fields = ("name", "url")
    change_form_after_template = "magnet/webhook_after.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        waiting = Count("deliveries", filter=~Q(deliveries__status=Delivery.Status.DELIVERED))
        return super().get_queryset(request).annotate(waiting=waiting)

    @display(description=gettext_lazy("status"), ordering="is_active")
    def state(self, webhook: Webhook) -> SafeString:
        return badge_html("live", _("Active")) if webhook.is_active else badge_html("excluded", _("Off"))

    @display(description=gettext_lazy("not delivered"), ordering="waiting")
    def undelivered(self, webhook: Any) -> str:
        return str(webhook.waiting or "–")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": ("name", "url", "events", *(["is_active"] if obj else []))})]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.renew_secret()
        super().save_model(request, obj, form, change)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url_of(obj, "secret"))

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("secret", self.secret, "change"),
            ObjectPage("new-secret", self.new_secret, "change", ("POST",)),
            ObjectPage("test", self.test, "change", ("POST",)),
        )

    @method_decorator(never_cache)
    def secret(self, request: HttpRequest, webhook: Any) -> HttpResponseBase:
        """The receiver needs it to prove signatures, so it can be read by who may change the webhook."""
        return self.page(request, webhook, "magnet/webhook_secret.html", webhook=webhook, back=self.url_of(webhook))

    @transaction.atomic
    def new_secret(self, request: HttpRequest, webhook: Any) -> HttpResponseBase:
        webhook.renew_secret()
        webhook.save(update_fields=["encrypted_secret"])
        AuditEntry.record("made a new secret for", webhook)
        return HttpResponseRedirect(self.url_of(webhook, "secret"))

    def test(self, request: HttpRequest, webhook: Any) -> HttpResponseBase:
        """Sent at once, so that the person sees what the address answers."""
        delivery = alerts.send_now(alerts.test(webhook))
        if delivery.status == Delivery.Status.DELIVERED:
            messages.success(request, _("It arrived: %(answer)s.") % {"answer": delivery.answer})
        else:
            messages.error(request, _("It did not arrive. %(answer)s") % {"answer": delivery.answer})
        return HttpResponseRedirect(self.url_of(webhook))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    menu = [MenuEntry(INSIGHT, 9, gettext_lazy("Deliveries"), "outgoing_mail", "admin:magnet_delivery_changelist")]
    empty_icon = "outgoing_mail"
    empty_text = gettext_lazy("What is sent to webhooks and by e-mail is listed here for 30 days.")
    list_display = ("subject", "event_label", "to", "state", "attempts", "answer", "created")
    list_filter = ("status", "event", "webhook")
    search_fields = ("subject", "email", "webhook__name")
    list_select_related = ("webhook",)
    actions = ("send_again",)

    def has_send_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("magnet.change_webhook"))

    @display(description=gettext_lazy("event"), ordering="event")
    def event_label(self, delivery: Delivery) -> str:
        return delivery.get_event_display()

    @display(description=gettext_lazy("to"))
    def to(self, delivery: Delivery) -> str:
        return delivery.receiver

    @display(description=gettext_lazy("status"), ordering="status")
    def state(self, delivery: Delivery) -> SafeString:
        return badge_html(TONES[Delivery.Status(delivery.status)], delivery.get_status_display())

    @display(description=gettext_lazy("created"), ordering="created_at")
    def created(self, delivery: Delivery) -> SafeString:
        return ago_titled(delivery.created_at)

    @action(description=gettext_lazy("Send again"), permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        for delivery in queryset:
            alerts.send_again(delivery)
        count = len(queryset)
        text = ngettext("%(n)d message is sent again.", "%(n)d messages are sent again.", count) % {"n": count}
        messages.success(request, text)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        return self._object_view(ObjectPage("read", self.read))(request, object_id)

    def object_pages(self) -> Sequence[ObjectPage]:
        return (ObjectPage("send-again", self.send_one_again, "send", ("POST",)),)

    def read(self, request: HttpRequest, delivery: Any) -> HttpResponseBase:
        return self.page(
            request, delivery, "magnet/delivery.html", delivery=delivery, badge=self.state(delivery),
            may_send=self.has_send_permission(request),
            payload=json.dumps(delivery.payload, indent=2, ensure_ascii=False),
        )  # fmt: skip

    def send_one_again(self, request: HttpRequest, delivery: Any) -> HttpResponseBase:
        alerts.send_again(delivery)
        messages.success(request, _("It is sent again."))
        return HttpResponseRedirect(reverse("admin:magnet_delivery_change", args=[delivery.pk]))
