"""People and groups in the admin: invited by a link, given the rights of groups, switched off instead of deleted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from smtplib import SMTPException
from typing import Any

import structlog
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from magnet.admin import invitations, rights
from magnet.admin.base import MagnetAdmin, ObjectPage
from magnet.admin.menu import PEOPLE, MenuEntry
from magnet.callers import current_caller
from magnet.errors import Conflict, NotAllowed
from magnet.groups import STANDARD_GROUPS
from magnet.models import AuditEntry, User
from magnet.templatetags.magnet_admin import ago_titled, badge_html

log = structlog.get_logger(__name__)


class GroupChoice(forms.ModelMultipleChoiceField):
    """Groups with what they may do, in words."""

    def label_from_instance(self, obj: Any) -> str:
        words = {group.name: str(group.description) for group in STANDARD_GROUPS}
        return f"{obj.name} – {words[obj.name]}" if obj.name in words else str(obj.name)


class PersonForm(forms.ModelForm):
    def clean_document_groups(self) -> list[str]:
        return rights.grantable_document_groups(self.cleaned_data.get("document_groups") or [])


@admin.register(User)
class UserAdmin(MagnetAdmin):
    menu = [MenuEntry(PEOPLE, 1, gettext_lazy("People"), "group", "admin:magnet_user_changelist")]
    empty_icon = "group"
    save_label = gettext_lazy("Invite")
    form = PersonForm
    empty_text = gettext_lazy("Invite colleagues: each gets a link to choose a password.")
    list_display = ("who", "email", "group_names", "state", "last_seen")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("email", "name")
    ordering = ("email",)
    change_form_after_template = "magnet/user_after.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related(Prefetch("groups", Group.objects.order_by("id")))

    @display(description=gettext_lazy("name"), ordering="name")
    def who(self, user: User) -> str:
        return user.get_full_name()

    @display(description=gettext_lazy("groups"))
    def group_names(self, user: User) -> str:
        names = [group.name for group in user.groups.all()]
        return ", ".join([_("Administrator"), *names] if user.is_superuser else names) or "–"

    @display(description=gettext_lazy("status"))
    def state(self, user: User) -> SafeString:
        if not user.is_active:
            return badge_html("excluded", _("Off"))
        if not user.is_staff and user.has_usable_password():
            return badge_html("live", _("Active, asks only"))
        return badge_html("live", _("Active")) if user.has_usable_password() else badge_html("pending", _("Invited"))

    @display(description=gettext_lazy("last sign-in"), ordering="last_login")
    def last_seen(self, user: User) -> SafeString:
        return ago_titled(user.last_login)

    # -- The form ----------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("email", "name", "is_staff", "groups", "document_groups")})]
        rights = ["is_active", "is_staff", "groups", *(["is_superuser"] if request.user.is_superuser else [])]
        return [
            (None, {"fields": ("email", "address_state", "name")}),
            (_("What they may do"), {"fields": rights}),
            (_("What they may find"), {"fields": ["document_groups"]}),
            (_("What they are told"), {"fields": ["gets_alerts"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """Nobody locks themselves out of the admin."""
        is_own = obj is not None and obj.pk == request.user.pk
        return ("address_state", *(["is_staff"] if is_own else [])) if obj else ()

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        context = {"can_confirm_email": current_caller().groups is None, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    @display(description=gettext_lazy("address"))
    def address_state(self, user: User) -> SafeString:
        """Whether documents that are shared with the address are theirs."""
        if user.has_verified_email:
            return badge_html("live", _("Confirmed"))
        return badge_html("pending", _("Not confirmed: finds nothing that is shared with it"))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "is_superuser":
            kwargs |= {"label": _("Administrator: may do everything"), "help_text": ""}
        if db_field.name == "is_staff":
            said = _("Without it they sign in at %(url)s and see there what they may ask: for that, choose Viewer.")
            kwargs |= {"label": _("May open the admin"), "help_text": said % {"url": f"{settings.PUBLIC_URL}/ask/"}}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name != "groups":
            return super().formfield_for_manytomany(db_field, request, **kwargs)
        return GroupChoice(
            queryset=rights.groups_within(request.user).order_by("id"),
            label=gettext_lazy("Groups"),
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes those who may do more: otherwise a new password would be a way up."""
        return bool(super().has_change_permission(request, obj)) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_own = obj is not None and obj.pk == request.user.pk
        return bool(super().has_delete_permission(request, obj)) and not is_own and self._may_touch(request, obj)

    def _may_touch(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or not rights.is_above(obj, request.user)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.email = User.objects.normalize_email(obj.email)
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> Any:
        AuditEntry.record("invited", obj)
        return self.show_link(request, obj)

    # -- Links ---------------------------------------------------------------------------------------------------

    def object_pages(self) -> Sequence[ObjectPage]:
        return (
            ObjectPage("new-link", self.new_link, "change", ("POST",)),
            ObjectPage("confirm-email", self.confirm_email, "change", ("POST",)),
        )

    def confirm_email(self, request: HttpRequest, user: Any) -> HttpResponseBase:
        """Only who may find all documents says whose address it is: to anybody else it could open some."""
        if current_caller().groups is not None:
            raise NotAllowed(_("Only somebody who may find all documents can confirm an address."))
        user.note_email(is_verified=True)
        AuditEntry.record("confirmed the address of", user, email=user.email)
        messages.success(request, _("%(email)s is confirmed.") % {"email": user.email})
        return HttpResponseRedirect(self.url_of(user))

    def new_link(self, request: HttpRequest, user: Any) -> HttpResponseBase:
        if not user.is_active:
            raise Conflict(_("“%(name)s” is switched off. Switch them on first.") % {"name": user})
        AuditEntry.record("made a password link for", user)
        return self.show_link(request, user)

    def show_link(self, request: HttpRequest, user: Any) -> HttpResponseBase:
        link = invitations.link_for(user)
        return self.page(
            request, user, "magnet/password_link.html", link=link, person=user, was_sent=was_sent(user),
            list_url=self.list_url(),
        )  # fmt: skip

    def deleted(self, request: HttpRequest, obj: Any) -> HttpResponseBase:
        if obj.pk == request.user.pk:
            messages.error(request, _("You cannot delete yourself."))
            return HttpResponseRedirect(self.url_of(obj))
        return super().deleted(request, obj)


def was_sent(user: User) -> bool:
    """A mail server that fails does not stop an invitation: the link is on the page."""
    try:
        return invitations.send(user)
    except (SMTPException, OSError) as error:
        log.warning("invitation_not_sent", user=user.pk, error=str(error))
        return False


VERBS = {
    "view": gettext_lazy("see"),
    "add": gettext_lazy("add"),
    "change": gettext_lazy("change"),
    "delete": gettext_lazy("delete"),
    "publish": gettext_lazy("publish and undo"),
}


class PermissionsByThing(forms.models.ModelChoiceIterator):
    """The verbs under the thing that they are about."""

    def __iter__(self) -> Any:
        for thing, permissions in groupby(self.queryset, key=lambda permission: permission.content_type):
            name = thing.model_class()._meta.verbose_name_plural  # type: ignore[union-attr]  # only of registered models
            yield capfirst(str(name)), [self.choice(permission) for permission in permissions]


class PermissionChoice(forms.ModelMultipleChoiceField):
    iterator = PermissionsByThing

    def label_from_instance(self, obj: Any) -> str:
        verb, _, model = obj.codename.partition("_")
        return str(VERBS[verb] if model == obj.content_type.model and verb in VERBS else obj.name)


@admin.register(Group)
class GroupAdmin(MagnetAdmin):
    menu = [MenuEntry(PEOPLE, 2, gettext_lazy("Groups"), "badge", "admin:auth_group_changelist")]
    list_display = ("name", "what_for", "member_count")
    search_fields = ("name",)
    ordering = ("id",)
    fields = ("name", "permissions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(members=Count("user"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_above = obj is not None and rights.group_is_above(obj, request.user)
        return bool(super().has_change_permission(request, obj)) and not is_above

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_above = obj is not None and rights.group_is_above(obj, request.user)
        return bool(super().has_delete_permission(request, obj)) and not is_above

    def kept_because(self, obj: Any) -> str:
        if obj.name not in {standard.name for standard in STANDARD_GROUPS}:
            return ""
        return _(
            "“%(name)s” is one of the groups that every Magnet has, so it is not deleted. Take people out of it."
        ) % {"name": obj.name}

    @display(description=gettext_lazy("what for"))
    def what_for(self, group: Group) -> str:
        words = {standard.name: str(standard.description) for standard in STANDARD_GROUPS}
        return words.get(group.name, "–")

    @display(description=gettext_lazy("people"), ordering="members")
    def member_count(self, group: Any) -> str:
        return str(group.members)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return PermissionChoice(
            queryset=rights.permissions_within(request.user),
            label=gettext_lazy("What its members may do"),
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
        )
