"""The first page of a source, the page of a run, the proof and the chunks: what a support lead watches and decides."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from knowledge import health, uploads
from knowledge.models import Chunk, Document, IndexedDocument, KnowledgeSource, SyncRun
from knowledge.uploads import PushedDocument
from magnet.models import AuditEntry
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
JSON = {"HTTP_ACCEPT": "application/json"}


def url(source, route):
    return reverse(f"admin:knowledge_knowledgesource_{route}", args=[source.pk])


def page_of(client, address, **query):
    return client.get(address, query).content.decode()


@pytest.fixture
def source():
    source = factories.source("hr", name="HR documents")
    factories.push(source, holidays="# Holidays\n\nThirty days each year.", pay="# Pay\n\nZaphod earns much.")
    return source


def with_failures(source, count):
    files = [PushedDocument(remote_id=f"{n}.pdf", body=b"%PDF broken", filename=f"{n}.pdf") for n in range(count)]
    from knowledge import sync

    sync.run_to_end(uploads.push(source, files).run)


def judged(source, **given):
    states = {"live": 2, **given.pop("states", {})}
    return health.of(source, states=states, current=given.get("current"), last=given.get("last")).word


def test_one_word_says_how_a_source_is(source):
    now = timezone.now()

    def run(**fields):
        return SyncRun(source=source, **fields)

    assert judged(source) == "Healthy"
    assert judged(source, states={"live": 0}) == "Empty"
    assert judged(source, states={"failed": 1}) == "Incomplete"
    assert judged(source, last=run(status="failed", error="No route.")) == "Failing"
    assert judged(source, current=run(status="waiting_for_approval")) == "Waits for you"
    assert judged(source, current=run(status="indexing", heartbeat_at=now - timedelta(hours=1))) == "Stuck"
    assert judged(source, current=run(status="indexing", heartbeat_at=now)) == "Busy"
    source.next_sync_at = now - timedelta(hours=1)
    assert judged(source) == "Overdue"


def test_the_dashboard_shows_health_history_failures_and_cost(owner, source):
    with_failures(source, 2)

    response = owner.get(url(source, "overview"))

    page = response.content.decode()
    reason = IndexedDocument.objects.filter(state="failed").values_list("failure", flat=True).first()
    proof = "Prove that a document is gone"
    for words in ("Incomplete", "2 failed", "0.pdf", reason[-30:], "Try all 2 again", proof, "so far"):
        assert words in page
    assert [piece.state for piece in response.context["history"][0].bar] == ["live", "failed"]


def test_the_home_page_warns_of_sources_that_fail_are_stuck_or_late(owner, source):
    def warnings():
        return [notice.text for notice in owner.get(reverse("admin:index")).context["notices"] if "HR" in notice.text]

    long_ago = timezone.now() - timedelta(hours=1)
    assert warnings() == []
    KnowledgeSource.objects.update(next_sync_at=long_ago)
    assert warnings() == ["“HR documents”: A sync was due and has not begun. Check that a worker runs."]
    SyncRun.objects.create(source=source, status="failed", error="No route.", finished_at=timezone.now())
    assert warnings() == ["“HR documents”: The last sync failed: No route."]
    run = SyncRun.objects.create(source=source, status="indexing", heartbeat_at=long_ago)
    SyncRun.objects.filter(pk=run.pk).update(created_at=long_ago)
    (warning,) = warnings()
    assert "no sign of life" in warning


def test_the_last_syncs_count_what_was_added_apart_from_what_was_changed(owner, source):
    factories.push(source, holidays="# Holidays\n\nForty days each year.", sick="# Sick\n\nCall us.")

    page = page_of(owner, url(source, "overview"))

    table = page[page.index("Last syncs") :]
    heads = re.findall(r"<th[^>]*>(.*?)</th>", table)
    newest = re.findall(r"<td[^>]*>(.*?)</td>", table, re.DOTALL)[: len(heads)]
    moves = dict(zip(heads, newest, strict=True))
    assert (moves["Added"], moves["Changed"]) == ("1", "1")


def test_an_empty_source_says_what_to_do_next(owner):
    page = page_of(owner, url(factories.source("new"), "overview"))

    assert "There are no documents yet." in page
    assert "Prove that a document is gone" not in page
    assert "Nothing has been uploaded yet." in page


def test_the_dashboard_asks_as_little_for_many_runs_and_failures_as_for_few(
    owner, source, django_assert_max_num_queries
):
    with_failures(source, 12)
    for _again in range(10):
        factories.push(source, holidays=f"# Holidays\n\n{_again} days.")

    with django_assert_max_num_queries(32):
        owner.get(url(source, "overview"))


def test_all_failures_are_tried_again_with_one_click(owner, source):
    with_failures(source, 3)

    response = owner.post(url(source, "retry_failed"))

    assert response.headers["Location"] == url(source, "overview")
    assert IndexedDocument.objects.filter(is_due=True).count() == 3
    assert source.runs.unfinished().get().trigger == "retry"


def test_the_log_of_a_run_is_read_on_from_its_last_line(owner, source):
    run = source.runs.first()
    lines = owner.get(reverse("admin:knowledge_syncrun_change", args=[run.pk])).context["lines"]
    address = reverse("admin:knowledge_syncrun_log", args=[run.pk])

    rest = owner.get(address, {"after": lines[0]["id"]}).json()
    nonsense = owner.get(address, {"after": "'; drop"}).json()

    assert [line["text"] for line in lines][-1] == "Done: 2 documents seen, 2 live."
    assert rest["lines"] == lines[1:]
    assert nonsense["lines"] == lines
    assert rest["run"]["is_finished"]


def test_the_proof_is_asked_for_by_title_and_tells_when_it_was_deleted(owner, source):
    uploads.delete(Document.objects.get(remote_id="pay"))

    gone = owner.post(url(source, "proof"), {"wanted": "pay"}).content.decode()
    there = owner.post(url(source, "proof"), {"wanted": "holidays"}).content.decode()

    assert "is nowhere in" in gone
    assert "It was deleted" in gone
    assert "is not gone" in there
    assert "Where Magnet cannot look" in gone


def test_the_record_of_a_deletion_leads_to_its_proof(owner, source):
    uploads.delete(Document.objects.get(remote_id="pay"))
    entry = AuditEntry.objects.get(verb="deleted")

    page = page_of(owner, reverse("admin:magnet_auditentry_change", args=[entry.pk]))

    assert f"{url(source, 'proof')}?wanted=" in page


def test_documents_are_found_by_words_of_their_text_and_chunks_too(owner, source):
    documents = page_of(owner, reverse("admin:knowledge_document_changelist"), q="thirty day")
    chunks = page_of(owner, reverse("admin:knowledge_chunk_changelist"), q="thirty")

    for page in (documents, chunks):
        assert "1 result" in page
        assert "olidays" in page


def test_a_chunk_is_disabled_and_enabled_from_the_list_and_from_its_document(owner, source):
    chunk = Chunk.objects.get(document__remote_id="pay")
    listing = reverse("admin:knowledge_chunk_changelist")
    switch = reverse("admin:knowledge_document_chunk", args=[chunk.document_id])

    owner.post(listing, {"action": "disable_selected", "_selected_action": [chunk.pk]})
    chunk.refresh_from_db()
    assert chunk.is_disabled
    assert "1 result" in page_of(owner, listing, disabled="yes")
    assert "no search finds it" in page_of(
        owner, reverse("admin:knowledge_document_change", args=[chunk.document_id]), chunk=chunk.pk
    )

    owner.post(switch, {"chunk": chunk.pk})
    chunk.refresh_from_db()
    assert not chunk.is_disabled


def test_whoever_only_looks_may_not_disable_chunks_or_retry(member, source):
    viewer = member("Viewer")
    chunk = Chunk.objects.get(document__remote_id="pay")

    listed = viewer.get(reverse("admin:knowledge_chunk_changelist"))
    viewer.post(
        reverse("admin:knowledge_chunk_changelist"), {"action": "disable_selected", "_selected_action": [chunk.pk]}
    )
    refused = viewer.post(reverse("admin:knowledge_document_chunk", args=[chunk.document_id]), {"chunk": chunk.pk})

    chunk.refresh_from_db()
    assert (listed.status_code, refused.status_code, chunk.is_disabled) == (200, 403, False)
    assert viewer.post(url(source, "retry_failed")).status_code == 403


def test_chunks_of_documents_for_others_are_neither_listed_nor_named(member, source):
    Document.objects.filter(remote_id="pay").update(groups=["board"])

    page = page_of(member("Viewer"), reverse("admin:knowledge_chunk_changelist"))

    assert "Thirty days" in page
    assert "Zaphod" not in page
