"""Who is to blame: a provider or a disk holds a run up, a document fails alone, and nobody else suffers for it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from knowledge import ledger, sync, uploads
from knowledge.chunkers import CHUNKERS
from knowledge.chunkers.base import Piece
from knowledge.chunkers.paragraphs import ParagraphChunker
from knowledge.models import Document, IndexedDocument, KnowledgeSource, SyncRun
from knowledge.stored_texts import StoredTexts
from knowledge.uploads import PushedDocument
from magnet.errors import StorageFull
from magnet.models import AIModel
from tests import factories
from tests.fake_openai import FakeOpenAI, Scripted

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("bees", "cows", "hens", "dogs", "pigs")


@pytest.fixture
def cloud(fake_openai: FakeOpenAI) -> KnowledgeSource:
    """A source whose texts are embedded by a provider."""
    model = AIModel.objects.create(
        name="Vectors",
        slug="vectors",
        purpose="embedding",
        provider=factories.openai_provider(fake_openai.base_url),
        model_name="text-embedding-fake",
        dimensions=fake_openai.dimensions,
    )
    return factories.source(embedding_model=model)


def hand_in(source: KnowledgeSource) -> SyncRun:
    run = uploads.push(source, [PushedDocument(name, text=f"All about {name}.") for name in NAMES]).run
    assert run is not None
    return run


def let_its_time_come() -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    SyncRun.objects.exclude(resumes_at=None).update(resumes_at=long_ago)
    SyncRun.objects.update(heartbeat_at=long_ago, created_at=long_ago)
    # The workers have done what was queued.
    OrmQ.objects.all().delete()


def saying(**reply: Any) -> Any:
    return lambda body: Scripted(**reply)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ({"status": 429, "headers": {"Retry-After": "1200"}}, "asks us to slow down"),
        ({"status": 401}, "Whoever manages the providers"),
        ({"status": 500, "headers": {"Retry-After": "0"}}, "failed (500)"),
        ({"status": 400}, "refused the request"),
        ({"body": b'{"error": {"message": "Pay.", "code": "insufficient_quota"}}', "status": 403}, "Pay."),
    ],
)
def test_a_provider_that_takes_no_text_makes_the_run_wait_and_no_document_fail(cloud, fake_openai, refusal, words):
    fake_openai.rule = saying(**refusal)

    run = sync.run_to_end(hand_in(cloud))

    assert run.status == "indexing"
    assert words in run.remark
    assert "Tries again at" in run.remark
    assert set(IndexedDocument.objects.values_list("state", "attempts", "lease_token")) == {("pending", 0, None)}
    assert sync.step(run.pk) is False  # Not before its time.
    assert SyncRun.objects.get().resumes_at == run.resumes_at

    fake_openai.rule = lambda body: None
    let_its_time_come()
    assert sync.start_due() == 1
    run = sync.run_to_end(run)
    assert (run.receipt["live"], run.remark) == (5, "")


def test_each_pause_in_a_row_is_longer_up_to_ten_minutes(cloud, fake_openai):
    fake_openai.rule = saying(status=401)
    run, pauses = hand_in(cloud), []
    for _ in range(6):
        began = timezone.now()
        sync.run_to_end(run)
        run.refresh_from_db()
        pauses.append(round((run.resumes_at - began).total_seconds() / 60))
        let_its_time_come()

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1, 10)


def test_who_starts_a_resting_sync_tries_at_once(tmp_path, settings, cloud, fake_openai):
    settings.FOLDER_ROOTS = [tmp_path]
    (tmp_path / "bees.md").write_text("All about bees.")
    source = factories.folder_source(tmp_path, embedding_model=cloud.embedding_model)
    fake_openai.rule = saying(status=401)
    resting = factories.sync_now(source)
    assert resting.resumes_at is not None

    fake_openai.rule = lambda body: None
    run = factories.sync_now(source)

    assert (run.pk, run.status, run.receipt["live"]) == (resting.pk, "done", 1)


def test_a_resting_run_can_be_cancelled_and_says_no_more_that_it_tries_again(cloud, fake_openai):
    fake_openai.rule = saying(status=401)
    run = sync.cancel(sync.run_to_end(hand_in(cloud)))
    assert (run.status, run.remark, run.receipt["pending"]) == ("cancelled", "", 5)


def test_a_text_that_the_provider_refuses_fails_alone(cloud, fake_openai):
    fake_openai.rule = lambda body: Scripted(status=400) if "hens" in str(body["input"]) else None

    run = sync.run_to_end(hand_in(cloud))

    failed = IndexedDocument.objects.exclude(state="live").select_related("document").get()
    assert failed.document.remote_id == "hens"
    assert "refused the request" in failed.failure
    assert (run.receipt["live"], run.receipt["failed"], run.receipt["chunks_embedded"]) == (4, 1, 4)


class Uncut(ParagraphChunker):
    """One chunk, however long."""

    def split(self, text: str) -> list[Piece]:
        return [Piece(0, len(text), "", 1)]


def test_a_text_that_the_database_cannot_hold_fails_alone(monkeypatch):
    monkeypatch.setitem(CHUNKERS, "paragraphs", Uncut)
    source = factories.source()
    too_many_words = " ".join(f"word{number}word" for number in range(130_000))
    texts = [PushedDocument(name, text=f"All about {name}.") for name in NAMES]
    run = uploads.push(source, [*texts, PushedDocument("huge", text=too_many_words)]).run

    receipt = sync.run_to_end(run).receipt

    failed = IndexedDocument.objects.exclude(state="live").select_related("document").get()
    assert failed.document.remote_id == "huge"
    assert failed.failure.startswith("The database cannot hold this document: ")
    assert (receipt["live"], receipt["failed"], receipt["seen"]) == (5, 1, 6)


class Disk(FileSystemStorage):
    """A disk that a test fills."""

    is_full = False

    def _save(self, name: str, content: Any) -> str:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super()._save(name, content)  # type: ignore[misc]  # Django's own hook, which the stubs leave out


@pytest.fixture
def full_disk(settings, tmp_path, monkeypatch) -> Iterator[None]:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.Disk"}}
    monkeypatch.setattr(Disk, "is_full", True)
    yield
    assert not list((tmp_path / "media").rglob("*.*")) or not Disk.is_full


def test_a_full_disk_is_said_and_the_sync_goes_on_when_there_is_room(full_disk, tmp_path, settings):
    settings.FOLDER_ROOTS = [tmp_path]
    wiki = tmp_path / "wiki"
    wiki.mkdir()
    for name in NAMES:
        (wiki / f"{name}.md").write_text(f"All about {name}.")
    source = factories.folder_source(wiki)

    run = factories.sync_now(source)
    assert "The disk that holds the original files is full." in run.remark
    assert not IndexedDocument.objects.exclude(state="pending", attempts=0).exists()

    Disk.is_full = False
    let_its_time_come()
    assert sync.run_to_end(run).receipt["live"] == 5


def test_a_full_disk_refuses_what_is_handed_in_and_keeps_nothing_of_it(full_disk):
    with pytest.raises(StorageFull, match="full"):
        uploads.push(factories.source(), [PushedDocument("a.txt", body=b"Bees", filename="a.txt")])
    assert not Document.objects.exists()


# -- Documents that take their worker down ----------------------------------------------------------------------------


def die_over(run: SyncRun) -> list[str]:
    """A worker takes documents and is never heard of again; says which."""
    before, token = run.lease_token, run.take()
    assert token is not None
    if before:
        ledger.count_death(before)
    entries = ledger.claim(ledger.ensure_index(run.source), token=token, limit=10)
    SyncRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))
    return [entry.document.remote_id for entry in entries]


def test_what_a_dead_worker_had_is_tried_alone_and_who_kills_three_is_refused():
    source = factories.source()
    run = hand_in(source)
    assert len(die_over(run)) == 5
    IndexedDocument.objects.exclude(document__remote_id="cows").update(is_due=False, state="live")

    assert (die_over(run), die_over(run)) == (["cows"], ["cows"])
    receipt = sync.run_to_end(run).receipt

    refused = IndexedDocument.objects.get(document__remote_id="cows")
    assert "made the worker stop three times" in refused.failure
    assert (refused.state, refused.attempts, receipt["failed"], receipt["seen"]) == ("failed", 3, 1, 5)

    uploads.retry([refused.document])
    assert sync.run_to_end(SyncRun.objects.unfinished().get()).receipt["failed"] == 0


def test_the_innocent_go_on_after_their_worker_died_with_them():
    run = hand_in(factories.source())
    assert len(die_over(run)) == 5
    assert len(die_over(run)) == 1

    receipt = sync.run_to_end(run).receipt

    assert (receipt["live"], receipt["failed"]) == (5, 0)
    assert set(IndexedDocument.objects.values_list("attempts", "failure")) == {(0, "")}


def test_a_query_that_the_database_breaks_off_is_no_fault_of_a_document(monkeypatch):
    source = factories.source()
    load = StoredTexts._load

    def broken_off(*args: Any) -> Any:
        monkeypatch.setattr(StoredTexts, "_load", load)
        with connection.cursor() as cursor:
            cursor.execute("set statement_timeout = 1")
            try:
                cursor.execute("select pg_sleep(10)")
            finally:
                cursor.execute("set statement_timeout = 0")

    monkeypatch.setattr(StoredTexts, "_load", broken_off)
    run = hand_in(source)
    sync.step(run.pk)
    assert set(IndexedDocument.objects.values_list("state", "failure")) == {("pending", "")}

    assert sync.run_to_end(run).receipt["live"] == len(NAMES)
