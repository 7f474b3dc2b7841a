"""Whoever changes much takes the rows in one order, so that of two at work neither waits for the other for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.db.models import F

from knowledge import chunk_writer, ledger, reindex, succession
from knowledge.models import Document, IndexedDocument, KnowledgeIndex, KnowledgeSource
from tests.knowledge.reindexing import built, source_that_wants_small_chunks
from tests.processes import eventually

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = uuid4()
WAITING = "select count(*) from pg_locks where not granted"


def ids() -> list[Any]:
    return list(Document.objects.values_list("id", flat=True))


def generation(status: str) -> KnowledgeIndex:
    return KnowledgeIndex.objects.for_use().get(status=status)


def write_anew() -> int:
    """The live generation writes a text that the other one, whose first row somebody holds, has to follow."""
    live, first = generation("live"), IndexedDocument.objects.filter(index__status="building").order_by("id")[0]
    entry = live.ledger.select_related("document").get(document=first.document_id)
    columns = {name: getattr(entry.document, name) for name in chunk_writer.DESCRIBED}
    columns |= {"text": "Something else.", "file": ""}
    item = chunk_writer.Replacement(entry, columns, "other", [], entry.document.changed_at)
    return chunk_writer.replace(live, [item], token=TOKEN)


DEEDS: dict[str, Callable[[], object]] = {
    "written": write_anew,
    "made due": lambda: ledger.make_due(ids()),
    "tried again": lambda: ledger.try_passing_failures_again(generation("building")),
    "given up by a dead worker": lambda: ledger.count_death(TOKEN),
    "released": lambda: ledger.release(TOKEN),
    "confirmed": lambda: ledger.confirm(list(IndexedDocument.objects.all()), token=TOKEN),
    "excluded": lambda: ledger.exclude(ids(), by="Ada"),
    "included": lambda: ledger.include(ids()),
    "deleted": lambda: ledger.delete_documents(ids()),
    "followed": lambda: succession.follow_failures(generation("building"), generation("live")),
    "switched": lambda: reindex.switch(generation("building")),
    "emptied": lambda: succession.empty(generation("building")),
}


@pytest.fixture
def generations() -> KnowledgeSource:
    """A source with a generation beside the live one, its rows stored in another order than that of their ids."""
    source = source_that_wants_small_chunks()
    built(source)
    IndexedDocument.objects.filter(index__status="live").update(
        state="stale", failure="The provider was away.", failure_code="provider_error"
    )
    first = IndexedDocument.objects.filter(index__status="building").order_by("id")[0]
    IndexedDocument.objects.filter(pk=first.pk).update(attempts=F("attempts"))
    return source


def prepare(deed: str) -> None:
    rows, building = IndexedDocument.objects.all(), IndexedDocument.objects.filter(index__status="building")
    if deed in ("given up by a dead worker", "released", "confirmed"):
        building.update(lease_token=TOKEN, is_due=True)
    elif deed == "written":
        rows.filter(index__status="live").update(lease_token=TOKEN, is_due=True)
    elif deed == "included":
        rows.update(state="excluded")
    elif deed == "tried again":
        building.update(failure_code="provider_error")
    elif deed == "followed":
        rows.filter(index__status="live").update(state="excluded")
        building.update(is_due=True)


def in_thread(deed: Callable[[], object]) -> object:
    try:
        return deed()
    finally:
        connections.close_all()


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("deed", DEEDS)
def test_who_waits_for_the_first_row_holds_none_that_comes_later(generations, deed):
    prepare(deed)
    first, *others = (
        IndexedDocument.objects.filter(index__status="building").order_by("id").values_list("id", flat=True)
    )

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            list(IndexedDocument.objects.filter(pk=first).select_for_update())
            done = threads.submit(in_thread, DEEDS[deed])
            assert eventually(somebody_waits, seconds=20)
            # Each raises at once where somebody else holds a row.
            list(IndexedDocument.objects.filter(pk__in=others).select_for_update(nowait=True))
            list(KnowledgeIndex.objects.select_for_update(of=("self",), nowait=True))
        done.result(timeout=60)
