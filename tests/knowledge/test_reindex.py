"""A re-index beside the live index: one generation serves while another is built from what is stored."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings as product
from django.utils import timezone
from django_q.models import OrmQ

from knowledge import jobs, ledger, reindex, retrieval, sync, uploads
from knowledge.models import Chunk, Document, IndexedDocument, KnowledgeIndex, Word
from knowledge.models.leases import HEARTBEAT_LOST_AFTER
from knowledge.uploads import PushedDocument
from magnet.database import forget_configuration, in_database
from magnet.errors import Conflict
from magnet.models import AuditEntry
from tests import factories
from tests.fake_openai import Scripted
from tests.knowledge.reindexing import (
    LONG,
    ask_for_chunks_of,
    assert_counted_right,
    built,
    chunks_of,
    cloud_model,
    source_that_wants_small_chunks,
    states_of,
    switched,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestBuilding:
    def test_a_generation_with_the_wanted_settings_is_built_while_the_old_one_serves(self):
        source = source_that_wants_small_chunks()
        live = source.live_index
        before = chunks_of(live)

        index = built(source)

        assert (index.stage, index.done, index.to_do) == ("ready", 3, 3)
        assert source.live_index == live
        assert chunks_of(live) == before
        assert len(chunks_of(index, "bees")) > len(chunks_of(live, "bees"))
        assert states_of(index) == {"bees": "live", "cows": "live", "hens": "live"}
        for generation in (live, index):
            assert_counted_right(generation)

    def test_texts_that_are_cut_as_before_are_not_embedded_again(self):
        source = source_that_wants_small_chunks(cows="Cows make milk.", hens="Hens lay eggs.")

        index = built(source)

        assert (index.chunks_embedded, index.chunks_reused, index.tokens) == (0, 2, 0)

    def test_nothing_is_fetched(self, tmp_path, settings):
        settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [tmp_path], tmp_path / "media"
        (tmp_path / "wiki").mkdir()
        (tmp_path / "wiki/bees.md").write_text(LONG)
        source = factories.folder_source(tmp_path / "wiki")
        factories.sync_now(source)
        (tmp_path / "wiki/bees.md").unlink()
        ask_for_chunks_of(source, 40)

        index = built(source)

        assert states_of(index) == {"bees.md": "live"}

    def test_settings_that_serve_already_are_refused_and_so_is_a_second_re_index(self):
        source = factories.source()
        factories.push(source, cows="Cows make milk.")
        ask_for_chunks_of(source, 256)  # The default, written down.
        with pytest.raises(Conflict, match="serve already"):
            reindex.start(source)
        ask_for_chunks_of(source, 40)
        reindex.start(source)
        with pytest.raises(Conflict, match="under construction already, #2"):
            reindex.start(source)

    def test_an_empty_source_needs_none(self):
        source = factories.source()
        with pytest.raises(Conflict, match="Nothing of “Handbook” is indexed yet"):
            reindex.start(source)

    def test_another_language_does_not_disturb_the_live_generation(self):
        source = factories.source(language="en")
        factories.push(source, bees="The bees are flying around the flowering houses.")
        source.language = "de"
        source.save()

        index = built(source)

        assert set(index.ledger.values_list("language", flat=True)) == {"de"}
        assert set(source.live_index.ledger.values_list("language", flat=True)) == {"en"}
        assert Document.objects.get().language == "en"
        assert Word.objects.filter(index=source.live_index, lexeme="fli").exists()

    def test_a_document_that_nobody_could_read_stays_failed_with_its_reason(self):
        source = source_that_wants_small_chunks()
        uploads.push(source, [PushedDocument("broken", body=b"no PDF", media_type="application/pdf")])
        factories.push(source, goats="Goats climb.")

        index = built(source)

        assert states_of(index) == {**states_of(source.live_index)}
        assert states_of(index)["broken"] == "failed"
        assert "PDF" in index.ledger.get(document__remote_id="broken").failure


class TestWhileItIsBuilt:
    def test_a_change_goes_to_both_generations(self):
        source = source_that_wants_small_chunks()
        index = built(source)

        factories.push(source, cows="Cows eat grass.", dogs="Dogs bark.")
        reindex.run_to_end(index)

        for generation in (source.live_index, index):
            assert chunks_of(generation, "cows") == ["Cows eat grass."]
            assert chunks_of(generation, "dogs") == ["Dogs bark."]
            assert_counted_right(generation)

    def test_a_text_that_is_not_read_yet_waits_for_the_live_generation(self):
        source = source_that_wants_small_chunks()
        uploads.push(source, [PushedDocument("cows", text="Cows eat grass."), PushedDocument("dogs", text="Dogs.")])

        index = built(source)

        assert states_of(index) == {"bees": "live", "hens": "live", "cows": "pending", "dogs": "pending"}

    def test_a_document_changed_while_it_was_embedded_is_written_once_more(self, monkeypatch):
        source = source_that_wants_small_chunks()
        index = reindex.start(source)
        cut = reindex.index_documents

        def overtaken(*args, **kwargs):
            monkeypatch.setattr(reindex, "index_documents", cut)
            factories.push(source, cows="Cows eat grass.")
            return cut(*args, **kwargs)

        monkeypatch.setattr(reindex, "index_documents", overtaken)
        reindex.run_to_end(index)

        assert chunks_of(index, "cows") == ["Cows eat grass."]

    def test_a_deletion_empties_every_generation(self):
        source = source_that_wants_small_chunks()
        index = built(source)

        uploads.delete(Document.objects.get(remote_id="bees"))

        assert not Chunk.objects.filter(text__contains="honey").exists()
        assert not Word.objects.filter(lexeme="honey").exists()
        for generation in (source.live_index, index):
            assert_counted_right(generation)

    def test_the_job_of_a_sync_wakes_the_generation_that_has_to_follow(self):
        source = source_that_wants_small_chunks()
        index = built(source)
        pushed = uploads.push(source, [PushedDocument("cows", text="Cows eat grass.")])

        jobs.step(str(pushed.run.pk))

        assert queued() == [index.pk]


class TestSteering:
    def test_paused_it_rests_and_resumed_it_goes_on(self):
        source = source_that_wants_small_chunks()
        index = reindex.pause(reindex.start(source))

        assert reindex.run_to_end(index).stage == "paused"
        assert chunks_of(index) == []

        assert reindex.run_to_end(reindex.resume(index)).stage == "ready"

    def test_a_pause_takes_the_work_from_the_step_under_way(self, monkeypatch):
        source = source_that_wants_small_chunks()
        index = reindex.start(source)
        cut = reindex.index_documents

        def interrupted(*args, **kwargs):
            reindex.pause(index)
            return cut(*args, **kwargs)

        monkeypatch.setattr(reindex, "index_documents", interrupted)
        reindex.run_to_end(index)

        assert (index.stage, chunks_of(index)) == ("paused", [])
        assert not index.ledger.exclude(lease_token=None).exists()

    def test_cancelled_it_is_removed_and_the_live_one_serves_on(self):
        source = source_that_wants_small_chunks()
        live, index = source.live_index, built(source)

        reindex.cancel(index)
        jobs.remove_index(index.pk)

        assert list(source.indexes.all()) == [live]
        assert not Chunk.objects.exclude(index=live).exists()
        assert not Word.objects.exclude(index=live).exists()
        assert not IndexedDocument.objects.exclude(index=live).exists()
        assert_counted_right(live)
        assert ledger.wants_another(source, live)

    def test_what_a_dead_worker_left_goes_on(self):
        source = source_that_wants_small_chunks()
        index = reindex.start(source)
        dead = index.take()
        ledger.claim(index, token=dead, limit=2)
        long_ago = timezone.now() - HEARTBEAT_LOST_AFTER * 2
        KnowledgeIndex.objects.filter(pk=index.pk).update(heartbeat_at=long_ago, created_at=long_ago)
        OrmQ.objects.all().delete()

        assert jobs.tick() == 1
        assert reindex.run_to_end(index).stage == "ready"

    def test_what_is_done_is_on_record(self):
        source = source_that_wants_small_chunks()
        index = switched(source)
        reindex.undo(index)

        verbs = AuditEntry.objects.order_by("created_at").values_list("verb", flat=True)
        assert [verb for verb in verbs if "documents" not in verb] == [
            "started a re-index of",
            "switched to",
            "undid the switch to",
        ]


class TestFailing:
    def test_a_model_that_is_switched_off_stops_it_with_a_sentence(self):
        source = source_that_wants_small_chunks(bees=LONG)
        index = reindex.start(source)
        model = source.embedding_model
        type(model).objects.update(is_active=False)

        reindex.run_to_end(index)

        assert index.stage == "failed"
        assert "is switched off" in index.error
        type(model).objects.update(is_active=True)
        assert reindex.run_to_end(reindex.resume(index)).stage == "ready"

    def test_a_provider_without_quota_holds_it_up_and_no_document_fails(self, fake_openai):
        source = source_that_wants_small_chunks(bees=LONG)
        source.embedding_model = cloud_model(fake_openai)
        source.save()
        index = reindex.start(source)
        fake_openai.script(Scripted(status=429, headers={"retry-after": "3600"}))

        reindex.run_to_end(index)

        assert (index.stage, states_of(index)) == ("building", {"bees": "pending"})
        assert index.error
        index = reindex.run_to_end(reindex.resume(index))
        assert (index.stage, index.error) == ("ready", "")


class TestSwitching:
    async def test_after_the_switch_searches_find_what_the_new_generation_holds(self, searching):
        source = await in_database(source_that_wants_small_chunks)
        before = await retrieval.search("honey in hive number 3", sources=[source.slug], limit=1)
        await in_database(switched, source)
        forget_configuration()

        after = await retrieval.search("honey in hive number 3", sources=[source.slug], limit=1)

        assert len(after.passages[0].text) < len(before.passages[0].text)

    def test_the_old_generation_retires_and_is_kept_for_a_week(self):
        source = source_that_wants_small_chunks()
        old = source.live_index
        index = switched(source)

        assert (source.live_index, index.stage) == (index, "live")
        assert reindex.undoable(source) == old
        assert not ledger.wants_another(source, index)
        assert reindex.sweep() == 0

    def test_after_the_week_it_is_gone_with_all_that_it_held(self):
        source = source_that_wants_small_chunks()
        old = source.live_index
        index = switched(source)
        long_ago = timezone.now() - timedelta(days=product.UNDO_DAYS, minutes=1)
        KnowledgeIndex.objects.filter(pk=old.pk).update(retired_at=long_ago)

        assert jobs.sweep()["indexes"] == 1

        assert list(source.indexes.all()) == [index]
        assert set(Chunk.objects.values_list("index", flat=True)) == {index.pk}
        with pytest.raises(Conflict, match="nothing to undo"):
            reindex.undo(index)

    def test_it_is_refused_before_everything_is_built(self):
        source = source_that_wants_small_chunks()
        with pytest.raises(Conflict, match="not built yet"):
            reindex.switch(reindex.start(source))

    def test_a_document_that_has_just_changed_is_carried_over_first(self):
        source = source_that_wants_small_chunks()
        index = built(source)
        factories.push(source, cows="Cows eat grass.")

        reindex.switch(index)
        assert (index.refresh_from_db(), index.stage) == (None, "switching")
        reindex.run_to_end(index)

        assert source.live_index == index
        assert chunks_of(index, "cows") == ["Cows eat grass."]

    def test_a_change_that_waits_for_long_leaves_the_old_version_serving(self):
        source = source_that_wants_small_chunks()
        pushed = uploads.push(source, [PushedDocument("cows", text="Cows eat grass.")])
        sync.cancel(pushed.run)

        index = reindex.run_to_end(switched(source))

        assert source.live_index == index
        assert chunks_of(index, "cows") == ["Cows make milk."]
        sync.run_to_end(source.runs.unfinished().get())
        assert chunks_of(index, "cows") == ["Cows eat grass."]

    def test_what_is_being_read_during_the_switch_is_finished_by_the_new_generation(self):
        source = source_that_wants_small_chunks()
        index = built(source)
        pushed = uploads.push(source, [PushedDocument("dogs", text="Dogs bark.")])

        reindex.switch(index)
        jobs.step(str(pushed.run.pk))

        assert source.live_index == index
        assert chunks_of(index, "dogs") == ["Dogs bark."]
        pushed.run.refresh_from_db()
        assert (pushed.run.status, pushed.run.receipt["live"]) == ("done", 4)

    def test_why_an_old_version_serves_is_still_known_afterwards(self):
        source = source_that_wants_small_chunks()
        uploads.push(source, [PushedDocument("cows", body=b"no PDF", media_type="application/pdf")])
        factories.push(source, goats="Goats climb.")

        index = switched(source)

        entry = index.ledger.get(document__remote_id="cows")
        assert (entry.state, entry.failure != "") == ("stale", True)
        assert chunks_of(index, "cows") == ["Cows make milk."]


class TestUndoing:
    def test_the_old_generation_is_caught_up_before_it_serves_again(self):
        source = source_that_wants_small_chunks()
        old = source.live_index
        index = switched(source)
        factories.push(source, cows="Cows eat grass.", dogs="Dogs bark.")
        uploads.delete(Document.objects.get(remote_id="hens"))

        reindex.undo(index)
        assert source.live_index == index
        reindex.run_to_end(old)

        assert source.live_index == old
        assert states_of(old) == {"bees": "live", "cows": "live", "dogs": "live"}
        assert (chunks_of(old, "cows"), chunks_of(old, "dogs")) == (["Cows eat grass."], ["Dogs bark."])
        assert_counted_right(old)
        assert reindex.undoable(source) == index

    def test_with_nothing_to_catch_up_it_is_immediate(self):
        source = source_that_wants_small_chunks()
        old = source.live_index
        reindex.undo(switched(source))

        assert source.live_index == old

    def test_given_up_half_way_it_can_be_undone_again(self):
        source = source_that_wants_small_chunks()
        old = source.live_index
        index = switched(source)
        factories.push(source, cows="Cows eat grass.")

        reindex.cancel(reindex.undo(index))

        assert (source.live_index, reindex.undoable(source)) == (index, old)


def queued() -> list[int]:
    tasks = [task.task for task in OrmQ.objects.all()]
    return [task["args"][0] for task in tasks if task["func"] == "knowledge.jobs.reindex_step"][-1:]
