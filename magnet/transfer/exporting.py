"""Export: the objects that people chose, with everything that they depend on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from magnet.default_prompts import BY_SLUG
from magnet.errors import InvalidInput, NotFound
from magnet.models import PromptTemplate, PromptTemplateVersion
from magnet.transfer import documents
from magnet.transfer.kinds import KINDS, Described, Reference, kind_of
from magnet.transfer.rights import demand

TEMPLATES = "prompt-templates"


def export(chosen: Iterable[Reference], *, with_dependencies: bool = True, without: Collection[str] = ()) -> str:
    """A document of `chosen`. `without` names kinds, or objects as kind/slug, that the other side has already.

    Raises NotFound, and NotAllowed when the caller may not see a kind that goes with it.
    """
    left_out = set(map(_known, without))
    found: dict[Reference, Described] = {}
    waiting = list(dict.fromkeys(chosen))
    while waiting:
        reference = waiting.pop()
        if reference in found or reference.kind in left_out or str(reference) in left_out:
            continue
        found[reference] = _described(reference)
        if with_dependencies:
            kind = kind_of(reference.kind)
            waiting += kind.named_in(found[reference])
            waiting += _changed_templates(kind.rests_on(found[reference]))
    return documents.write({reference: found[reference] for reference in _in_order(found)})


def _changed_templates(slugs: Iterable[str]) -> Iterator[Reference]:
    """Of default templates, those that no longer say what every installation begins with."""
    rows = PromptTemplate.objects.select_related("live__ai_model").filter(slug__in=set(slugs) & set(BY_SLUG))
    for row in rows.order_by("slug"):
        begins_with = PromptTemplateVersion(**BY_SLUG[row.slug].settings()).settings()
        if row.live is not None and row.live.settings() != begins_with:
            yield Reference(TEMPLATES, row.slug)


def everything() -> list[Reference]:
    """All objects of all kinds."""
    return [
        Reference(name, slug)
        for name, kind in KINDS.items()
        for slug in kind.model._default_manager.order_by("slug").values_list("slug", flat=True)
    ]


def reference(text: str) -> Reference:
    """kind/slug. Raises InvalidInput for what is none."""
    kind, slash, slug = text.partition("/")
    if not slash or not slug:
        raise InvalidInput(f"Write kind/slug, such as rag-tools/handbook, in place of “{text[:100]}”.")
    return Reference(kind_of(kind).name, slug)


def _known(named: str) -> str:
    return str(reference(named)) if "/" in named else kind_of(named).name


def _in_order(found: Iterable[Reference]) -> list[Reference]:
    order = list(KINDS)
    return sorted(found, key=lambda each: (order.index(each.kind), each.slug))


def _described(reference: Reference) -> Described:
    kind = kind_of(reference.kind)
    demand(kind, "read")
    row = kind.find(reference.slug) if "\0" not in reference.slug else None
    if row is None:
        raise NotFound(f"There is no {kind.label} “{reference.slug[:100]}”.")
    return kind.describe(row)
