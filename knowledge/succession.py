"""How one generation comes to know what another one does, takes its place, and is emptied when nobody needs it."""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone

from knowledge import ledger
from knowledge.models import Document, KnowledgeIndex

ADD_BATCH = 1_000
EMPTY_BATCH = 2_000

# Nothing of these documents was ever read, or they are left out: there is nothing to embed.
FOLLOW_FAILURES = """
with held as (
    select e.id, o.state, o.failure, o.failure_code, o.attempts
    from knowledge_indexeddocument e join knowledge_indexeddocument o on o.document_id = e.document_id
        join knowledge_document d on d.id = o.document_id
    where e.index_id = %(index)s and e.is_due and e.lease_token is null and o.index_id = %(live)s and not o.is_due
        and (o.state = 'excluded' or o.state = 'failed' and d.text = '' and e.indexed_at is null)
    order by e.id for no key update of e)
update knowledge_indexeddocument e
set state = o.state, failure = o.failure, failure_code = o.failure_code, attempts = o.attempts, is_due = false,
    next_attempt_at = null
from held o where e.id = o.id
"""
# Why an old version serves, and when its update is tried again, is as true of the generation that takes over.
TAKE_OVER_FAILURES = """
with held as (
    select e.id, o.state, o.failure, o.failure_code, o.attempts, o.is_due, o.next_attempt_at
    from knowledge_indexeddocument e join knowledge_indexeddocument o on o.document_id = e.document_id
    where e.index_id = %(index)s and o.index_id = %(live)s and o.failure_code <> '' and e.failure_code = ''
    order by e.id for no key update of e)
update knowledge_indexeddocument e
set state = case when e.state = 'live' and o.state = 'stale' then 'stale' else e.state end, failure = o.failure,
    failure_code = o.failure_code, attempts = o.attempts, is_due = e.is_due or o.is_due,
    next_attempt_at = case when e.is_due then e.next_attempt_at else o.next_attempt_at end
from held o where e.id = o.id
"""
# A document whose newest content nobody has fetched or read yet is the task of whoever serves.
TAKE_OVER_WORK = """
with held as (
    select e.id
    from knowledge_indexeddocument e join knowledge_indexeddocument o on o.document_id = e.document_id
    where e.index_id = %(index)s and o.index_id = %(live)s
        and o.is_due and o.failure_code = '' and not e.is_due and e.state <> 'excluded'
    order by e.id for no key update of e)
update knowledge_indexeddocument e
set is_due = true, attempts = 0, next_attempt_at = null
from held where e.id = held.id
"""
EMPTY_CHUNKS = (
    "delete from knowledge_chunk where id = any(array(select id from knowledge_chunk where index_id = %s limit %s))",
    "delete from knowledge_word where index_id = %s and lexeme = any(array("
    "select lexeme from knowledge_word where index_id = %s limit %s))",
)
EMPTY_LEDGER = (
    "delete from knowledge_indexeddocument where id = any(array("
    "select id from knowledge_indexeddocument where index_id = %s order by id limit %s for update))"
)


def add_missing(index: KnowledgeIndex) -> None:
    """Documents of the source that this generation has not heard of are due in it."""
    missing = index.source.documents.exclude(ledger__index=index).values_list("id", flat=True)
    for batch in ledger.batched(list(missing), ADD_BATCH):
        with transaction.atomic():
            # Held, because one that is deleted at this moment can have no entry.
            rows = Document.objects.filter(pk__in=batch).order_by("pk").select_for_update(no_key=True)
            ledger.add(index, list(rows.only("metadata")))


def follow_failures(index: KnowledgeIndex, live: KnowledgeIndex) -> None:
    """What the live generation could not read, or leaves out, is nothing to embed here either."""
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW_FAILURES, {"index": index.pk, "live": live.pk})


@transaction.atomic
def replace_live(live: KnowledgeIndex, *, by: KnowledgeIndex) -> None:
    """`by` serves from the commit on. Searches under way end in the old generation, which still holds everything."""
    with connection.cursor() as cursor:
        for statement in (TAKE_OVER_FAILURES, TAKE_OVER_WORK):
            cursor.execute(statement, {"index": by.pk, "live": live.pk})
    ledger.lock_generations([live.source_id])
    now, rows = timezone.now(), KnowledgeIndex.objects
    rows.filter(pk=live.pk).update(status=KnowledgeIndex.Status.RETIRED, retired_at=now)
    rows.filter(pk=by.pk).update(
        status=KnowledgeIndex.Status.LIVE, live_at=now, retired_at=None, switches_when_ready=False, lease_token=None
    )


def empty(index: KnowledgeIndex) -> None:
    """Delete what a generation holds, batch by batch, so that no table is locked for long."""
    for statement in (*EMPTY_CHUNKS, EMPTY_LEDGER):
        while _delete_some(index, statement):
            continue


@transaction.atomic
def _delete_some(index: KnowledgeIndex, statement: str) -> int:
    if statement in EMPTY_CHUNKS:
        # The row of the generation is the lock of its words, which a deletion takes away as well.
        list(KnowledgeIndex.objects.filter(pk=index.pk).select_for_update(no_key=True).values_list("pk"))
    with connection.cursor() as cursor:
        cursor.execute(statement, [*[index.pk] * (statement.count("%s") - 1), EMPTY_BATCH])
        return int(cursor.rowcount)
