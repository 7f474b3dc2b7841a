"""A deleted document is found nowhere, not even in what was recorded of past answers."""

from __future__ import annotations

import pytest
from django.utils import timezone

from knowledge import jobs, uploads
from knowledge.models import Document
from magnet.models import AuditEntry, Span, SpanPayload, Trace
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def recorded_answer(document: Document) -> SpanPayload:
    now = timezone.now()
    trace = Trace.objects.create(feature="rag_tool", started_at=now, documents=[document.pk], summary="Honey?")
    span = Span.objects.create(trace=trace, name="chat", started_at=now, input_tokens=7)
    return SpanPayload.objects.create(span=span, created_at=now, input={"text": document.text}, output=["honey"])


def test_deleting_a_document_blanks_the_traces_that_quote_it_and_keeps_their_figures():
    source = factories.source()
    factories.push(source, bees="Bees make honey.", cows="Cows make milk.")
    bees, cows = (Document.objects.get(remote_id=name) for name in ("bees", "cows"))
    about_bees, about_cows = recorded_answer(bees), recorded_answer(cows)

    uploads.delete(bees)

    about_bees.refresh_from_db()
    about_cows.refresh_from_db()
    assert (about_bees.input, about_bees.output, about_bees.is_blanked) == (None, None, True)
    assert about_bees.span.input_tokens == 7
    assert (about_cows.input, about_cows.is_blanked) == ({"text": "Cows make milk."}, False)


def test_the_record_of_who_did_what_knows_a_document_by_its_number_only():
    source = factories.source()
    factories.push(source, **{"Dismissal of Jane Doe": "Jane Doe leaves in May."})
    document = Document.objects.get()

    uploads.exclude([document])
    uploads.delete(document)

    entries = AuditEntry.objects.filter(object_type="knowledge.document")
    assert {entry.object_id for entry in entries} == {str(document.pk)}
    assert entries.get(verb="deleted").changes["remote_key"] == document.remote_key
    assert "Jane Doe" not in str(list(AuditEntry.objects.values()))


def test_an_answer_that_was_on_its_way_while_its_document_was_deleted_is_blanked_by_the_sweep():
    source = factories.source()
    factories.push(source, bees="Bees make honey.", cows="Cows make milk.")
    bees, cows = (Document.objects.get(remote_id=name) for name in ("bees", "cows"))
    uploads.delete(Document.objects.get(pk=bees.pk))
    about_bees, about_cows = recorded_answer(bees), recorded_answer(cows)

    jobs.sweep()

    about_bees.refresh_from_db()
    about_cows.refresh_from_db()
    assert (about_bees.input, about_bees.is_blanked, about_cows.is_blanked) == (None, True, False)
