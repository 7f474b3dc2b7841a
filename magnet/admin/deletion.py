"""Deleting with open eyes: what still uses a thing, said with a link, before the database would refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import PROTECT, RESTRICT, Model
from django.urls import reverse
from django.utils.text import capfirst

from magnet.errors import StillInUse

# A page does not get longer than this; the rest is counted.
SHOWN = 20


@dataclass(frozen=True)
class Use:
    """One user of a thing: what kind it is, what it is called and where it is."""

    kind: str
    label: str
    url: str = ""


# How a row that has no page of its own (a version, a join row) names the thing that people know.
_owners: dict[type[Model], Callable[[Any], Model]] = {}


def belongs_to(model: type[Model], owner: Callable[[Any], Model]) -> None:
    """Say that a row of `model` is shown to people as its owner."""
    _owners[model] = owner


def uses_of(obj: Model) -> list[Use]:
    """What refers to `obj` and forbids deleting it, at most SHOWN for each relation, without repetition."""
    found: dict[Use, None] = {}
    for relation in guarding_relations(obj):
        rows = relation.related_model._default_manager.filter(**{relation.field.name: obj.pk})
        found.update({use_of(row): None for row in rows[:SHOWN]})
    found.pop(use_of(obj), None)
    return list(found)


def guarding_relations(obj: Model) -> list[Any]:
    """Relations that forbid deleting, those without a name of their own (“+”) included."""
    relations = obj._meta.get_fields(include_hidden=True)
    return [relation for relation in relations if getattr(relation, "on_delete", None) in (PROTECT, RESTRICT)]


def use_of(row: Model) -> Use:
    while type(row) in _owners:
        row = _owners[type(row)](row)
    return Use(kind=capfirst(str(row._meta.verbose_name)), label=str(row), url=page_of(row))


def page_of(row: Model) -> str:
    """The admin page of `row`; empty where it has none."""
    if type(row) not in admin.site._registry:
        return ""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


@transaction.atomic
def delete(obj: Model, *, by: Callable[[Any], None]) -> None:
    """Delete, as `by` does it. Raises StillInUse when something refers to it."""
    if uses := uses_of(obj):
        raise StillInUse(f"“{obj}” is still used by {uses[0].kind.lower()} “{uses[0].label}”.")
    by(obj)
