"""Lists of the API: limit, offset, search, tag and ordering in; items and their count out, in few queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.db.models import Q, QuerySet
from pydantic import BaseModel, Field

from magnet.errors import InvalidInput

T = TypeVar("T")
MOST_AT_ONCE = 200
FARTHEST = 10_000_000


class Listing(BaseModel):
    """What part of a list is wanted, and in which order ("name", or "-name" for the other way round)."""

    limit: int = Field(50, ge=1, le=MOST_AT_ONCE)
    offset: int = Field(0, ge=0, le=FARTHEST)
    search: str = Field("", max_length=200)
    tag: str = Field("", max_length=100)
    ordering: str = Field("", max_length=100)


class Page(BaseModel, Generic[T]):
    items: list[T]
    # How many there are in all, not only on this page.
    count: int


def page(
    rows: QuerySet[Any],
    listing: Listing,
    *,
    show: Callable[[Any], T],
    search_in: Sequence[str],
    order_by: Sequence[str],
) -> dict[str, Any]:
    """One page of `rows`; `order_by` names the columns that may order them."""
    rows = _found(rows, listing, search_in=search_in)
    if listing.ordering:
        if listing.ordering.removeprefix("-") not in order_by:
            raise InvalidInput(
                f"This list cannot be ordered by “{listing.ordering}”. Use {', '.join(order_by)}.",
                allowed=list(order_by),
            )
        # The key decides between equals, or a row could stand on two pages and another on none.
        rows = rows.order_by(listing.ordering, "pk")
    return {
        "items": [show(row) for row in rows[listing.offset : listing.offset + listing.limit]],
        "count": rows.count(),
    }


def _found(rows: QuerySet[Any], listing: Listing, *, search_in: Sequence[str]) -> QuerySet[Any]:
    if "\0" in listing.search + listing.tag:
        raise InvalidInput("A search cannot hold NUL characters.")
    if listing.search:
        wanted = Q()
        for column in search_in:
            wanted |= Q(**{f"{column}__icontains": listing.search})
        rows = rows.filter(wanted)
    if listing.tag:
        if not hasattr(rows.model, "tags"):
            raise InvalidInput("These have no tags.")
        rows = rows.filter(tags__name__iexact=listing.tag)
    return rows
