"""Who uses a row: the one place that knows what stands in the way of deleting it, and what people call that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.db.models import PROTECT, RESTRICT
from django.utils.translation import gettext as _

from magnet.errors import StillInUse

# Nobody reads further; and a row may be used by thousands.
MOST_NAMED = 20


@dataclass(frozen=True)
class Use:
    """One user of a row, as people know it."""

    kind: str
    name: str
    slug: str
    row: models.Model = field(compare=False, repr=False)
    # Which of its versions: “live version 3”, “version 1”. Empty for what has none.
    versions: tuple[str, ...] = ()


def uses_of(row: models.Model) -> list[Use]:
    """What refers to `row` and forbids deleting it, at most MOST_NAMED of each kind, by kind and name."""
    found = []
    for relation in guarding_relations(row):
        users = relation.related_model._base_manager.filter(**{relation.field.name: row.pk})
        found += list(users[:MOST_NAMED])
    return [use for use in uses_by(found) if use.row != row]


def uses_by(users: Iterable[models.Model]) -> list[Use]:
    """Without repetition: a version stands for its tool, a tool's line in a table for that tool."""
    seen: dict[tuple[type[models.Model], Any], tuple[models.Model, set[tuple[int, str]]]] = {}
    for user in users:
        row = known_as(user)
        seen.setdefault((type(row), row.pk), (row, set()))[1].update(version_of(user))
    uses = [use_by(row, [label for _number, label in sorted(versions)]) for row, versions in seen.values()]
    return sorted(uses, key=lambda use: (use.kind, use.name))


def use_by(row: models.Model, versions: Iterable[str] = ()) -> Use:
    slug = str(getattr(row, "slug", ""))
    return Use(str(row._meta.verbose_name), str(row), slug, row, versions=tuple(versions))


def version_of(user: models.Model) -> list[tuple[int, str]]:
    """The version that uses something, by its number and in words; none where the user has no versions."""
    version: Any = getattr(user, "version", user)
    identity: Any = getattr(version, "identity", None)
    if not isinstance(identity, models.Model):
        return []
    state = {identity.live_id: _("live version %(n)d"), identity.draft_id: _("draft, version %(n)d")}  # type: ignore[attr-defined]
    return [(version.number, str(state.get(version.pk, _("version %(n)d")) % {"n": version.number}))]


def known_as(row: models.Model) -> models.Model:
    """The row that people know by name, of one that has no page of its own."""
    for name in ("version", "identity"):
        owner: Any = getattr(row, name, None)
        row = owner if isinstance(owner, models.Model) else row
    return row


def guarding_relations(row: models.Model) -> list[Any]:
    """Relations that forbid deleting, those without a name of their own (“+”) included."""
    relations = row._meta.get_fields(include_hidden=True)
    return [relation for relation in relations if getattr(relation, "on_delete", None) in (PROTECT, RESTRICT)]


def refuse_when_used(row: models.Model, uses: list[Use]) -> None:
    """Raises StillInUse with the names of those who use `row`."""
    if not uses:
        return
    named = uses[:MOST_NAMED]
    names = ", ".join(f"{use.kind} “{use.name}”" for use in named)
    raise StillInUse(
        f"“{row}” is still used by {names}. Change or remove that first.",
        used_by=[{"kind": use.kind, "name": use.name, "slug": use.slug} for use in named],
    )
