"""Which agents use a tool: their actions name it by kind and slug, so that no foreign key can say it."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F, Model, Q

from agents.models import Action, targets


def actions_that_use(rows: Sequence[Model]) -> list[Model]:
    """The actions of live versions and drafts; what earlier versions named may go, and undoing to them says so."""
    names = [name for row in rows if (name := targets.names_of(row)) is not None]
    if not names:
        return []
    by_kind: dict[str, list[str]] = {}
    for kind, slug in names:
        by_kind.setdefault(kind, []).append(slug)
    named = Q()
    for kind, slugs in by_kind.items():
        named |= Q(kind=kind, slug__in=slugs)
    version, identity = "topic__version", "topic__version__identity"
    current = Q(**{version: F(f"{identity}__live")}) | Q(**{version: F(f"{identity}__draft")})
    return list(Action.objects.filter(named & current).select_related(version, identity))
