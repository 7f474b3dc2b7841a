"""Nothing is lost and nothing lingers: what a sync does, and what it leaves when something breaks."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from knowledge import ledger, sync, uploads
from knowledge.indexing import index_documents
from knowledge.models import Chunk, Document, IndexedDocument, SyncRun, Word
from knowledge.uploads import PushedDocument
from magnet.errors import Conflict, InvalidInput, StillInUse
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path, settings):
    settings.FOLDER_ROOTS = [tmp_path]
    settings.MEDIA_ROOT = tmp_path / "media"
    home = tmp_path / "wiki"
    home.mkdir()
    for number in range(10):
        (home / f"page-{number}.md").write_text(
            f"# Page {number}\n\nThe password of room {number} is swordfish{number}."
        )
    return home


def state_of(remote_id):
    return IndexedDocument.objects.get(document__remote_id=remote_id).state


def words():
    return dict(Word.objects.values_list("lexeme", "document_frequency"))


def assert_the_books_balance():
    """Counts, words and ledger say the same as the chunks themselves."""
    counted: dict[tuple[int, str], int] = {}
    for chunk in Chunk.objects.all():
        for lexeme in {part.split("'")[1] for part in str(chunk.lexemes).split(" ") if "'" in part}:
            counted[chunk.index_id, lexeme] = counted.get((chunk.index_id, lexeme), 0) + 1
    kept = {(row[0], row[1]): row[2] for row in Word.objects.values_list("index_id", "lexeme", "document_frequency")}
    assert kept == counted
    for source_index in {chunk.index for chunk in Chunk.objects.select_related("index")}:
        assert source_index.chunk_count == source_index.chunks.count()
        assert source_index.lexeme_total == sum(source_index.chunks.values_list("lexeme_count", flat=True))
    for entry in IndexedDocument.objects.all():
        assert entry.chunk_count == Chunk.objects.filter(document_id=entry.document_id, index_id=entry.index_id).count()


class TestAFolder:
    def test_every_file_is_live_and_the_receipt_adds_up(self, folder):
        source = factories.folder_source(folder)
        run = factories.sync_now(source)
        assert run.status == "done"
        receipt = run.receipt
        assert receipt["seen"] == 10 == receipt["live"] + receipt["stale"] + receipt["failed"] + receipt["excluded"]
        assert receipt["added"] == 10
        chunk = Chunk.objects.get(document__remote_id="page-3.md")
        assert chunk.text == chunk.document.text[chunk.start : chunk.end]
        assert chunk.document.title == "Page 3"
        assert_the_books_balance()

    def test_a_second_sync_reads_and_embeds_nothing(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        before = set(Chunk.objects.values_list("id", flat=True))
        run = factories.sync_now(source)
        assert (run.unchanged, run.added, run.changed, run.chunks_embedded) == (10, 0, 0, 0)
        assert set(Chunk.objects.values_list("id", flat=True)) == before

    def test_only_the_changed_file_is_embedded_again(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        (folder / "page-3.md").write_text("# Page 3\n\nThe password is now marlin.")
        run = factories.sync_now(source)
        assert (run.changed, run.chunks_embedded, run.unchanged) == (1, 1, 9)
        assert "marlin" in words()
        assert "swordfish3" not in words()
        assert_the_books_balance()

    def test_a_touched_file_with_the_same_text_is_not_embedded_again(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        text = (folder / "page-3.md").read_text()
        (folder / "page-3.md").write_text(text + " ")
        (folder / "page-3.md").write_text(text)
        run = factories.sync_now(source)
        assert run.chunks_embedded == 0
        assert state_of("page-3.md") == "live"

    def test_a_deleted_file_can_be_found_nowhere(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        (folder / "page-3.md").unlink()
        run = factories.sync_now(source)
        assert run.deleted == 1
        assert not Document.objects.filter(remote_id="page-3.md").exists()
        assert not Chunk.objects.filter(text__contains="swordfish3").exists()
        assert "swordfish3" not in words()
        assert_the_books_balance()

    def test_a_folder_that_is_gone_deletes_nothing(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        shutil.move(folder, folder.with_name("unplugged"))
        run = factories.sync_now(source)
        assert run.status == "failed"
        assert "wiki" in run.error
        assert run.receipt["live"] == Document.objects.count() == 10

    def test_deleting_more_than_the_guard_waits_for_a_click(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        for number in range(3):
            (folder / f"page-{number}.md").unlink()
        run = factories.sync_now(source)
        assert (run.status, run.deletions_waiting, Document.objects.count()) == ("waiting_for_approval", 3, 10)
        run = sync.run_to_end(sync.approve(run))
        assert (run.status, run.deleted, Document.objects.count()) == ("done", 3, 7)

    def test_an_approval_covers_no_more_than_what_was_shown(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        for number in range(3):
            (folder / f"page-{number}.md").unlink()
        run = factories.sync_now(source)
        for number in range(3, 8):
            (folder / f"page-{number}.md").unlink()
        run = sync.run_to_end(sync.approve(run))
        assert (run.status, run.deletions_waiting, Document.objects.count()) == ("waiting_for_approval", 8, 10)

    def test_what_comes_back_before_the_approval_is_kept(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        hidden = folder.with_name("hidden")
        hidden.mkdir()
        for number in range(3):
            shutil.move(folder / f"page-{number}.md", hidden)
        waiting = factories.sync_now(source)
        for file in hidden.iterdir():
            shutil.move(file, folder)
        run = factories.sync_now(source)
        assert (run.pk, run.status, run.deleted) == (waiting.pk, "done", 0)

    def test_an_unreadable_file_fails_with_a_reason_and_the_rest_goes_on(self, folder):
        (folder / "broken.pdf").write_bytes(b"%PDF-1.7 this is not really a PDF")
        source = factories.folder_source(folder)
        run = factories.sync_now(source)
        entry = IndexedDocument.objects.get(document__remote_id="broken.pdf")
        assert (run.status, run.receipt["live"], run.receipt["failed"]) == ("done", 10, 1)
        assert (entry.state, entry.is_due) == ("failed", False)
        assert entry.failure.endswith(".")

    def test_an_unreadable_file_is_not_read_again_while_it_stays_the_same(self, folder):
        (folder / "broken.pdf").write_bytes(b"%PDF-1.7 this is not really a PDF")
        source = factories.folder_source(folder)
        factories.sync_now(source)
        factories.sync_now(source)
        assert IndexedDocument.objects.get(document__remote_id="broken.pdf").attempts == 1

    def test_a_file_that_becomes_unreadable_keeps_its_last_good_version(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        (folder / "page-3.md").write_bytes(b"")
        run = factories.sync_now(source)
        assert (state_of("page-3.md"), run.receipt["stale"]) == ("stale", 1)
        assert Chunk.objects.filter(text__contains="swordfish3").exists()

    def test_changed_chunker_settings_wait_for_a_re_index(self, folder):
        (folder / "long.md").write_text(
            "# Long\n\n" + "\n\n".join(f"Paragraph {n} says " + "word " * 40 for n in range(30))
        )
        source = factories.folder_source(folder)
        factories.sync_now(source)
        before = list(Chunk.objects.values_list("pk", flat=True))
        source.chunker_config = {"max_tokens": 64}
        source.save()

        factories.sync_now(source)

        assert list(Chunk.objects.values_list("pk", flat=True)) == before
        assert ledger.wants_another(source, source.live_index)
        assert_the_books_balance()

    def test_settings_changed_before_anything_is_indexed_count_at_once(self, folder):
        source = factories.folder_source(folder)
        ledger.ensure_index(source)
        source.chunker_config = {"max_tokens": 64}
        source.save()

        factories.sync_now(source)

        (index,) = source.indexes.all()
        assert index.chunker_config == {"max_tokens": 64}
        assert not ledger.wants_another(source, index)


class TestPushing:
    def test_documents_are_searchable_once_their_run_is_done(self):
        source = factories.source()
        run = factories.push(source, welcome="Bees make honey.", bye="Cows make milk.")
        assert (run.status, run.receipt["live"], run.receipt["added"]) == ("done", 2, 2)
        assert words()["honey"] == 1

    def test_the_same_documents_again_change_nothing(self):
        source = factories.source()
        factories.push(source, welcome="Bees make honey.")
        pushed = uploads.push(source, [PushedDocument("welcome", text="Bees make honey.")])
        assert (pushed.run, pushed.added, pushed.changed, pushed.unchanged) == (None, 0, 0, 1)

    def test_a_new_text_replaces_the_old_one(self):
        source = factories.source()
        factories.push(source, welcome="Bees make honey.")
        factories.push(source, welcome="Bees make wax.")
        assert "honey" not in words()
        assert Document.objects.get().text == "Bees make wax."
        assert_the_books_balance()

    def test_the_old_text_serves_until_the_new_one_is_indexed(self):
        source = factories.source()
        factories.push(source, welcome="Bees make honey.")
        uploads.push(source, [PushedDocument("welcome", text="Bees make wax.")])
        assert Chunk.objects.get().text == Document.objects.get().text == "Bees make honey."

    def test_what_is_pushed_during_a_run_is_indexed_by_that_run(self):
        source = factories.source()
        first = uploads.push(source, [PushedDocument("one", text="One.")]).run
        second = uploads.push(source, [PushedDocument("two", text="Two.")]).run
        assert first == second
        assert sync.run_to_end(first).receipt["live"] == 2

    @pytest.mark.parametrize(
        "remote_id", ["a/b/c.md", "naïve ✨🐝.txt", "文件/第一.md", "x" * 500, "🐝" * 500, "x" * 1_000]
    )
    def test_ids_in_every_script_and_length_are_kept(self, remote_id):
        source = factories.source()
        sync.run_to_end(uploads.push(source, [PushedDocument(remote_id, text="Bees make honey.")]).run)
        assert Document.objects.named(remote_id).get().remote_id == remote_id

    @pytest.mark.parametrize("remote_id", ["", "  ", "x" * 1_001, "nul\0"])
    def test_ids_that_cannot_be_kept_are_refused(self, remote_id):
        with pytest.raises(InvalidInput, match="remote_id"):
            uploads.push(factories.source(), [PushedDocument(remote_id, text="Bees make honey.")])

    def test_nul_bytes_never_reach_the_database(self):
        source = factories.source()
        pushed = uploads.push(
            source, [PushedDocument("a", title="T\0", text="Bees\0 make honey.", metadata={"k\0": ["v\0"]})]
        )
        sync.run_to_end(pushed.run)
        document = Document.objects.get()
        assert (document.title, document.text, document.metadata) == ("T", "Bees make honey.", {"k": ["v"]})

    def test_a_source_that_lists_by_itself_takes_no_pushes(self, folder):
        with pytest.raises(Conflict, match="lists its documents itself"):
            uploads.push(factories.folder_source(folder), [PushedDocument("a", text="A.")])

    def test_a_deleted_document_leaves_nothing(self):
        source = factories.source()
        factories.push(source, welcome="Bees make honey.", bye="Cows make milk.")
        uploads.delete(Document.objects.get(remote_id="welcome"))
        assert sorted(words()) == ["bye", "cow", "make", "milk"]
        assert IndexedDocument.objects.count() == Document.objects.count() == Chunk.objects.count() == 1
        assert_the_books_balance()

    def test_a_deleted_file_leaves_the_storage_unless_another_document_has_it(self, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path
        source = factories.source()
        same = [PushedDocument(f"{name}.txt", body=b"Bees make honey.", filename=f"{name}.txt") for name in "ab"]
        sync.run_to_end(uploads.push(source, same).run)
        files = lambda: [path for path in tmp_path.rglob("*") if path.is_file()]  # noqa: E731
        assert len(files()) == 1
        uploads.delete(Document.objects.get(remote_id="a.txt"))
        assert len(files()) == 1
        uploads.delete(Document.objects.get(remote_id="b.txt"))
        assert files() == []


class TestTwoAtOnce:
    def test_one_source_has_one_unfinished_run(self):
        source = factories.source()
        assert sync.start(source, trigger="push") == sync.start(source, trigger="push")

    def test_a_step_gives_way_while_another_is_alive(self):
        run = sync.start(factories.source(), trigger="push")
        assert run.take() is not None
        assert sync.step(run.pk) is False
        assert SyncRun.objects.get().status == "queued"

    def test_a_run_whose_worker_is_gone_is_taken_over(self, folder):
        source = factories.folder_source(folder)
        run = sync.start(source)
        run.take()
        SyncRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))
        assert sync.run_to_end(run).receipt["live"] == 10

    def test_a_worker_that_wakes_late_writes_nothing(self, folder):
        source = factories.folder_source(folder)
        run = sync.start(source)
        late = run.take()
        index = ledger.ensure_index(source)
        SyncRun.objects.update(lease_token=None)
        sync.run_to_end(run)
        (folder / "page-1.md").write_text("# Page 1\n\nNew words: albatross.")
        factories.sync_now(source)
        entries = list(IndexedDocument.objects.select_related("document"))
        outcome = index_documents(index, entries, connector=source.open_connector(), token=late)
        assert outcome.done == 0
        assert "albatross" in words()

    def test_a_push_takes_the_lease_from_who_embeds_the_old_text(self):
        source = factories.source()
        uploads.push(source, [PushedDocument("a", text="Old words.")])
        index, token = ledger.ensure_index(source), uuid4()
        entries = ledger.claim(index, token=token, limit=10)
        uploads.push(source, [PushedDocument("a", text="Fresh words.")])
        outcome = index_documents(index, entries, connector=source.open_connector(), token=token)
        assert (outcome.done, Chunk.objects.count()) == (0, 0)
        sync.run_to_end(source.runs.get())
        assert Chunk.objects.get().text == "Fresh words."

    def test_a_cancelled_run_stops_and_the_next_one_finishes(self, folder):
        source = factories.folder_source(folder)
        run = sync.cancel(sync.start(source))
        assert sync.step(run.pk) is False
        assert factories.sync_now(source).receipt["live"] == 10


class TestTheClock:
    def test_a_due_source_is_started_once_and_planned_again(self, folder):
        source = factories.folder_source(folder, schedule="hourly", next_sync_at=timezone.now())
        assert (sync.start_due(), sync.start_due()) == (1, 0)
        source.refresh_from_db()
        assert source.next_sync_at > timezone.now()
        assert source.runs.get().trigger == "schedule"

    def test_a_cron_schedule_follows_its_time_zone(self, folder):
        source = factories.folder_source(folder, schedule="cron", cron="0 6 * * *", time_zone="Europe/Riga")
        source.plan_next_sync(after=datetime(2026, 1, 15, 12, tzinfo=UTC))
        assert source.next_sync_at.astimezone(UTC).hour == 4

    def test_what_failed_in_passing_is_tried_again(self, folder):
        source = factories.folder_source(folder)
        factories.sync_now(source)
        IndexedDocument.objects.filter(document__remote_id="page-1.md").update(
            is_due=True, state="stale", attempts=1, next_attempt_at=timezone.now()
        )
        assert sync.start_due() == 1
        run = sync.run_to_end(source.runs.unfinished().get())
        assert (run.trigger, run.receipt["live"]) == ("retry", 10)


def test_a_source_in_use_cannot_be_deleted():
    from tools_app.models import RagTool

    source = factories.source()
    tool = RagTool.objects.create_live(name="Helper", slug="helper", settings={"sources": [source]})
    with pytest.raises(StillInUse, match="Helper"):
        ledger.delete_source(source)
    tool.delete()
    assert ledger.delete_source(source) == 0
