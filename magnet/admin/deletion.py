"""Deleting with open eyes: what still uses a thing, said with a link, before the database would refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Model
from django.urls import reverse
from django.utils.text import capfirst

from magnet.models import uses


@dataclass(frozen=True)
class Use:
    """One user of a thing: what kind it is, what it is called and where it is."""

    kind: str
    label: str
    url: str = ""
    versions: tuple[str, ...] = ()


def uses_of(obj: Model) -> list[Use]:
    """What refers to `obj` and forbids deleting it."""
    return [_shown(use) for use in uses.uses_of(obj)]


def parts_of(obj: Model) -> list[Use]:
    """What is deleted together with `obj` and has a page of its own."""
    return [_shown(part) for part in uses.uses_by(uses.parts_of(obj))]


def _shown(use: uses.Use) -> Use:
    return Use(capfirst(use.kind), use.name, page_of(use.row), use.versions)


def page_of(row: Model) -> str:
    """The admin page of `row`; empty where it has none."""
    if type(row) not in admin.site._registry:
        return ""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


@transaction.atomic
def delete(obj: Model, *, by: Callable[[Any], None]) -> None:
    """Delete, as `by` does it. Raises StillInUse when something refers to it."""
    uses.refuse_when_used(obj, uses.uses_of(obj))
    by(obj)
