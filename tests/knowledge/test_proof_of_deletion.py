"""Proof of deletion: zero in every place after a deletion, and an honest list where something is left."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from knowledge import proof, uploads
from knowledge.models import DeletedDocument, Document, Word
from knowledge.uploads import PushedDocument
from magnet.database import forget_configuration, in_database
from magnet.encryption import encrypt
from magnet.models import AuditEntry, IdempotentRequest, Span, SpanPayload, Trace
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
PLACES = ["documents", "ledger", "chunks", "vectors", "words", "files", "snapshots", "replies"]


def stocked():
    """A source with two documents, one of which was quoted in an answer that is kept twice."""
    source = factories.source()
    file = PushedDocument(remote_id="hr/salaries.md", body=b"# Salaries\n\nZaphod earns much.", filename="salaries.md")
    from knowledge import sync

    sync.run_to_end(uploads.push(source, [file]).run)
    factories.push(source, cows="Cows make milk.")
    salaries = Document.objects.get(remote_id="hr/salaries.md")
    now = timezone.now()
    trace = Trace.objects.create(feature="rag_tool", started_at=now, documents=[salaries.pk])
    span = Span.objects.create(trace=trace, name="chat", started_at=now)
    SpanPayload.objects.create(span=span, created_at=now, input={"text": salaries.text})
    body = encrypt(f'{{"passages": [{{"document": {{"id": "{salaries.pk}"}}, "text": "Zaphod"}}]}}').encode()
    IdempotentRequest.objects.create(caller="key:1", key="a", fingerprint="f", status=200, body=body)
    return source, salaries


def counts(of):
    return {check.place: check.found for check in of.checks}


@pytest.mark.parametrize("name", ["hr/salaries.md", "Salaries", " salaries "])
def test_a_deleted_document_is_found_in_no_place_by_its_id_or_its_title(name):
    source, salaries = stocked()
    before = proof.prove(source, name)
    uploads.delete(salaries)

    after = proof.prove(source, name)

    assert not before.is_gone
    there = counts(before)
    assert {place for place in PLACES if there[place]} == set(PLACES) - {"words"}
    assert counts(after) == dict.fromkeys(PLACES, 0)
    assert after.is_gone
    assert before.at < after.deleted_at < after.at
    assert any("Backups" in sentence for sentence in after.outside)


def test_what_is_left_behind_is_found_and_named():
    source, salaries = stocked()
    trace, file, pk = Trace.objects.get(documents=[salaries.pk]), str(salaries.file), salaries.pk
    uploads.delete(salaries)
    default_storage.save(file, ContentFile(b"back again"))
    SpanPayload.objects.filter(span__trace=trace).update(input={"text": "Zaphod"}, is_blanked=False)
    Word.objects.create(index=source.live_index, lexeme="zaphod", document_frequency=1)

    found = proof.prove(source, "Salaries")

    assert not found.is_gone
    assert {place: n for place, n in counts(found).items() if n} == {"words": 1, "files": 1, "snapshots": 1}
    assert file in next(check.where for check in found.checks if check.place == "files")
    assert DeletedDocument.objects.get(pk=pk).title_key != "Salaries"


def test_a_file_that_another_document_holds_as_well_stays_and_is_explained():
    source, salaries = stocked()
    from knowledge import sync

    same = PushedDocument(remote_id="copy.md", body=b"# Salaries\n\nZaphod earns much.", filename="salaries.md")
    sync.run_to_end(uploads.push(source, [same]).run)
    uploads.delete(salaries)

    found = next(check for check in proof.prove(source, "hr/salaries.md").checks if check.place == "files")

    assert found.found == 0
    assert "belongs to “Salaries”" in found.where[0]


def test_who_asked_for_a_proof_is_recorded_without_what_they_looked_for():
    source, _salaries = stocked()

    proof.prove(source, "hr/salaries.md")

    entry = AuditEntry.objects.get(verb="asked for proof of deletion in")
    assert "salaries" not in str(entry.changes)


async def test_the_api_proves_a_deletion_by_path_and_by_name(api):
    source, salaries = await in_database(stocked)
    there = (await api.get("/api/knowledge-sources/handbook/documents/hr/salaries.md/proof-of-deletion")).json()
    await api.delete("/api/knowledge-sources/handbook/documents/hr/salaries.md")

    gone = (await api.get("/api/knowledge-sources/handbook/documents/hr/salaries.md/proof-of-deletion")).json()
    named = await api.get("/api/knowledge-sources/handbook/proof-of-deletion", params={"remote_id": "hr/salaries.md"})

    assert (there["is_gone"], gone["is_gone"], named.json()["is_gone"]) == (False, True, True)
    assert [check["place"] for check in gone["checks"]] == PLACES
    assert gone["deleted_at"] is not None
    assert gone["outside"]


async def test_an_answer_that_is_kept_for_a_second_try_goes_with_the_document_that_it_quotes(api):
    forget_configuration()
    _source, salaries = await in_database(stocked)
    url, asked = "/api/knowledge-sources/handbook/search", {"query": "Zaphod earns"}
    first = await api.post(url, json=asked, headers={"Idempotency-Key": "again"})
    await in_database(lambda: uploads.delete(salaries))

    second = await api.post(url, json=asked, headers={"Idempotency-Key": "again"})

    assert "Zaphod earns much" in first.text
    assert second.status_code == 200
    assert "Idempotent-Replayed" not in second.headers
    assert "Zaphod earns much" not in second.text
