"""Who uses a row: the one place that knows what stands in the way of deleting it, and what people call that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.db.models import PROTECT, RESTRICT
from django.utils.translation import gettext as _

from magnet.errors import StillInUse

# Nobody reads further; and a row may be used by thousands.
MOST_NAMED = 20

# Who names these rows (all of one table) by kind and slug, without a foreign key that would guard them.
BringUsers = Callable[[Sequence[models.Model]], Iterable[models.Model]]
_bringers: list[BringUsers] = []


def brings_users(bring: BringUsers) -> BringUsers:
    """Ask this floor, too, who uses rows, before they are deleted: register in the `ready` of its app."""
    _bringers.append(bring)
    return bring


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
    """What refers to `row`, or to what is deleted with it, and forbids deleting it: at most MOST_NAMED of each kind,
    by kind and name."""
    parts = parts_of(row)
    found = [*_users_of([row]), *(_users_of(parts) if parts else ())]
    return [use for use in uses_by(found) if use.row != row and use.row not in parts]


def parts_of(row: models.Model) -> list[models.Model]:
    """What has a name of its own and is deleted together with `row`: its class says in PARTS which relation that is."""
    name = getattr(row, "PARTS", "")
    return list(getattr(row, name).all()) if name else []


def _users_of(rows: Sequence[models.Model]) -> list[models.Model]:
    """Of rows of one table."""
    found: list[models.Model] = []
    for relation in guarding_relations(rows[0]):
        users = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": [row.pk for row in rows]})
        found += list(users[:MOST_NAMED])
    for bring in _bringers:
        found += bring(rows)
    return found


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
    raise StillInUse(
        f"“{row}” is still used by {_listed(named)}. Change or remove that first.", used_by=_as_json(named)
    )


def refuse_with_parts(row: models.Model, *, parameter: str) -> None:
    """Raises StillInUse with the names of what would be deleted together with `row`, unasked."""
    parts = uses_by(parts_of(row))
    if not parts:
        return
    named = parts[:MOST_NAMED]
    more = f" and {len(parts) - MOST_NAMED:,} more" if len(parts) > MOST_NAMED else ""
    said = f"With “{row}” would go {_listed(named)}{more}. Send {parameter}=true to delete them as well."
    raise StillInUse(said, goes_too=_as_json(named))


def _listed(uses: Iterable[Use]) -> str:
    return ", ".join(f"{use.kind} “{use.name}”" for use in uses)


def _as_json(uses: Iterable[Use]) -> list[dict[str, str]]:
    return [{"kind": use.kind, "name": use.name, "slug": use.slug} for use in uses]
