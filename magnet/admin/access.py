"""API keys in the admin: made with chosen rights, shown once, revoked for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from magnet.admin.base import MagnetAdmin, ObjectPage
from magnet.admin.menu import PEOPLE, MenuEntry
from magnet.admin.rights import grantable_document_groups
from magnet.callers import current_caller
from magnet.encryption import decrypt, encrypt
from magnet.models import ApiKey, AuditEntry
from magnet.scopes import ALL, SCOPES
from magnet.templatetags.magnet_admin import ago_titled, badge_html


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        error_messages={"required": gettext_lazy("Choose at least one.")},
    )

    class Meta:
        model = ApiKey
        fields = ("name", "expires_at", "requests_per_minute", "document_groups")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scopes" in self.fields:
            field: Any = self.fields["scopes"]
            field.choices = grantable_scopes()

    def clean_document_groups(self) -> list[str]:
        return grantable_document_groups(self.cleaned_data.get("document_groups") or [])

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data.get("expires_at")
        if moment is not None and "expires_at" in self.changed_data and moment <= timezone.now():
            raise forms.ValidationError(_("Choose a moment in the future."))
        return moment


def grantable_scopes() -> list[tuple[str, list[tuple[str, str]]]]:
    """What the person may hand on, by noun: nobody grants what they lack. Everything first."""
    caller = current_caller()
    groups: dict[str, list[tuple[str, str]]] = {}
    for scope in sorted(SCOPES, key=lambda scope: scope != ALL):
        if caller.may(scope):
            groups.setdefault(noun_of(scope), []).append((scope, str(SCOPES[scope])))
    return list(groups.items())


def shown_once(key: ApiKey) -> str:
    return f"shown-once-{key.pk}"


def noun_of(scope: str) -> str:
    """“RAG tools” for rag-tools:run."""
    if scope == ALL:
        return _("Everything")
    words = scope.partition(":")[0].split("-")
    words = [word.upper() if word in ("rag", "api") else word for word in words]
    return capfirst(" ".join(words))


@admin.register(ApiKey)
class ApiKeyAdmin(MagnetAdmin):
    menu = [MenuEntry(PEOPLE, 3, gettext_lazy("API keys"), "key", "admin:magnet_apikey_changelist")]
    empty_icon = "key"
    save_label = gettext_lazy("Make the key")
    empty_text = gettext_lazy("A key lets another system call your tools, with the rights that you choose.")
    form = ApiKeyForm
    list_display = ("name", "begins_with", "rights", "state", "expires", "used", "owner")
    list_filter = (("created_at", admin.DateFieldListFilter), "owner")
    search_fields = ("name", "prefix")
    list_select_related = ("owner",)
    change_form_after_template = "magnet/api_key_after.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("owner")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Revoking is enough, and leaves the name to what the key has done."""
        return False

    @display(description=gettext_lazy("begins with"))
    def begins_with(self, key: ApiKey) -> SafeString | str:
        return f"{key.prefix}…"

    @display(description=gettext_lazy("may"))
    def rights(self, key: ApiKey) -> str:
        return _("everything") if ALL in key.scopes else ", ".join(key.scopes)

    @display(description=gettext_lazy("status"))
    def state(self, key: ApiKey) -> SafeString:
        if key.revoked_at:
            return badge_html("error", _("Revoked"))
        return badge_html("live", _("Active")) if key.is_usable else badge_html("stale", _("Expired"))

    @display(description=gettext_lazy("expires"), ordering="expires_at")
    def expires(self, key: ApiKey) -> SafeString | str:
        return ago_titled(key.expires_at) if key.expires_at else _("never")

    @display(description=gettext_lazy("last used"), ordering="last_used_at")
    def used(self, key: ApiKey) -> SafeString | str:
        return ago_titled(key.last_used_at) if key.last_used_at else _("never")

    # -- The form ----------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("name", "scopes", "document_groups", "expires_at", "requests_per_minute")})]
        seen = ("begins_with", "rights", "state", "owner", "created_at", "used")
        return [
            (None, {"fields": ("name", "document_groups", "expires_at", "requests_per_minute")}),
            (_("The key"), {"fields": seen}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("begins_with", "rights", "state", "owner", "created_at", "used") if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            # What a key may do is decided once: a key in use does not quietly grow.
            kwargs["form"] = type("ChangedApiKeyForm", (ApiKeyForm,), {"scopes": None})
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        row, key = ApiKey.objects.issue(
            name=obj.name,
            scopes=form.cleaned_data["scopes"],
            owner=request.user,
            expires_at=obj.expires_at,
            requests_per_minute=obj.requests_per_minute,
            document_groups=obj.document_groups,
        )
        obj.__dict__.update(row.__dict__)
        obj.shown_once = key

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        AuditEntry.record("made", obj, scopes=obj.scopes)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> Any:
        """On to the page that shows the key; reloading that page does not make another one."""
        request.session[shown_once(obj)] = encrypt(obj.shown_once)
        return HttpResponseRedirect(self.url_of(obj, "made"))

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("made", self.made, "add"),
            ObjectPage("revoke", self.revoke, "change", ("GET", "POST")),
        )

    @method_decorator(never_cache)
    def made(self, request: HttpRequest, row: Any) -> HttpResponseBase:
        """The only page on which the key can be read, and only the first time; only its maker's session has it."""
        kept = request.session.pop(shown_once(row), None)
        if kept is None:
            messages.info(request, _("The key was shown once. If nobody copied it, revoke it and make another."))
            return HttpResponseRedirect(self.url_of(row))
        return self.page(
            request, row, "magnet/api_key_shown.html", key=decrypt(kept), list_url=self.list_url(), row=row
        )

    @transaction.atomic
    def revoke(self, request: HttpRequest, key: Any) -> HttpResponseBase:
        """By GET the question whether it shall be; by POST it is done."""
        if request.method == "GET":
            return self.page(request, key, "magnet/revoke.html", row=key, used=self.used(key), back=self.url_of(key))
        key.revoke()
        AuditEntry.record("revoked", key)
        messages.success(request, _("“%(name)s” is revoked: it opens nothing any more.") % {"name": key.name})
        return HttpResponseRedirect(self.url_of(key))
