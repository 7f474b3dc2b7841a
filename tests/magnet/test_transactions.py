"""Two at work on the same rows: whom PostgreSQL breaks off for the other one's sake begins again by itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connections, transaction

from knowledge.models import KnowledgeSource
from magnet.database import one_transaction
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def rename_crosswise(*, is_nested: bool = False) -> None:
    """Two rename both sources, each beginning with another one; they wait for each other the first time."""
    slugs = [factories.source(slug).slug for slug in ("bees", "cows")]
    both_began = threading.Barrier(2, timeout=60)

    @one_transaction
    def rename(order: list[str], begun: list[str]) -> None:
        for slug in order:
            KnowledgeSource.objects.filter(slug=slug).update(name=f"{slug} by {order[0]}")
            if not begun:
                begun.append(slug)
                both_began.wait()

    def carry_out(order: list[str]) -> None:
        try:
            if is_nested:
                with transaction.atomic():
                    rename(order, [])
            else:
                rename(order, [])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(carry_out, order) for order in (slugs, slugs[::-1])]:
            done.result()


def test_both_get_their_wish_one_after_the_other():
    rename_crosswise()
    assert len({name.partition(" by ")[2] for name in KnowledgeSource.objects.values_list("name", flat=True)}) == 1


def test_nothing_is_tried_again_within_a_larger_transaction():
    with pytest.raises(OperationalError, match="deadlock"):
        rename_crosswise(is_nested=True)
