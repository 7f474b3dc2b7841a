"""What somebody may grant: no more than they have, to nobody who has more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from magnet.admin.base import ReadOnlyAdmin
from magnet.callers import current_caller, normalized_groups
from magnet.models import User


def shown_permissions() -> QuerySet[Permission]:
    """Those that decide something: of what has pages, and of what is only read just seeing it."""
    pages = admin.site._registry.items()
    decided = [model for model, page in pages if not isinstance(page, ReadOnlyAdmin)]
    readable = [model for model, page in pages if isinstance(page, ReadOnlyAdmin)]
    types = ContentType.objects
    rule = Q(content_type__in=types.get_for_models(*decided).values()) | Q(
        content_type__in=types.get_for_models(*readable).values(), codename__startswith="view_"
    )
    order = ("content_type__app_label", "content_type__model", "-codename")
    return Permission.objects.filter(rule).select_related("content_type").order_by(*order)


def permissions_within(person: Any) -> QuerySet[Permission]:
    """What `person` may grant; administrators everything."""
    shown = shown_permissions()
    return shown if person.is_superuser else shown.filter(pk__in=permissions_of(person))


def groups_within(person: Any) -> QuerySet[Group]:
    """The groups that give nothing which `person` does not have."""
    if person.is_superuser:
        return Group.objects.all()
    beyond = shown_permissions().order_by().exclude(pk__in=permissions_of(person))
    return Group.objects.exclude(permissions__in=beyond)


def is_above(other: User, person: Any) -> bool:
    """Whether `other` may do or find something that `person` may not; also while they are switched off."""
    if person.is_superuser:
        return False
    if document_groups_beyond(other.document_groups):
        return True
    shown = shown_permissions().filter(pk__in=permissions_of(other))
    return other.is_superuser or shown.exclude(pk__in=permissions_of(person)).exists()


def group_is_above(group: Group, person: Any) -> bool:
    return not groups_within(person).filter(pk=group.pk).exists()


def permissions_of(person: Any) -> QuerySet[Permission, Any]:
    return Permission.objects.filter(Q(group__user=person) | Q(user=person)).values("pk")


def document_groups_beyond(groups: Iterable[str]) -> list[str]:
    """Those whose documents the person who is signed in may not find."""
    own = current_caller().groups
    return [] if own is None else sorted(set(normalized_groups(groups)) - set(own))


def grantable_document_groups(groups: Iterable[str]) -> list[str]:
    """The groups as they are stored; ValidationError where one is beyond the person who is signed in."""
    if beyond := document_groups_beyond(groups):
        raise forms.ValidationError(_("You may not find documents of %s yourself.") % ", ".join(beyond))
    return list(normalized_groups(groups))
