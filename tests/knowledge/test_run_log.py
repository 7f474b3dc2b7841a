"""A run tells line by line what it does, so that whoever watches never has to wonder."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from knowledge import jobs, ledger, run_log, sync
from knowledge.admin.runs import lines_of
from knowledge.models import SyncRunEvent
from magnet.callers import Caller, acting_as
from magnet.ids import uuid7
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path, settings):
    settings.FOLDER_ROOTS = [tmp_path]
    for name in ("bees", "cows", "pigs"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\nAll about {name}.")
    return tmp_path


def said(run):
    return [line.text for line in run_log.lines(run)]


def test_a_run_says_what_it_listed_what_failed_and_how_it_ended(folder):
    (folder / "empty.md").write_text("")
    run = factories.sync_now(factories.folder_source(folder))

    lines = said(run)

    assert lines[:3] == [
        "Asks the source what there is.",
        "Listed 4 documents: 4 new, 0 changed, 0 as before.",
        "4 documents to read and index.",
    ]
    assert any("ailed: " in line and "empty" in line for line in lines)
    assert lines[-1] == "Done: 4 documents seen, 3 live, 1 failed."
    assert [line.level for line in run_log.lines(run) if line.document_id] == ["error"]


def test_a_run_that_would_delete_much_says_so_and_who_agreed(folder):
    source = factories.folder_source(folder)
    factories.sync_now(source)
    for path in list(folder.glob("*.md"))[1:]:
        path.unlink()
    run = factories.sync_now(source)
    assert any("Would delete 2 documents, more than 20 %" in line for line in said(run))

    sync.run_to_end(sync.approve(run))

    assert any("agreed to delete 2 documents" in line for line in said(run))
    assert "Deleted 2 documents that the source no longer has." in said(run)


def test_a_thousand_failures_do_not_bury_the_rest(folder, monkeypatch):
    monkeypatch.setattr(run_log, "MOST_FAILURES", 2)
    for number in range(6):
        (folder / f"empty-{number}.md").write_text("")

    run = factories.sync_now(factories.folder_source(folder))

    failures = [line for line in run_log.lines(run) if line.document_id]
    assert len(failures) == 3
    assert "shows all of them" in failures[-1].text


def test_the_log_is_read_from_where_one_left_off_and_forgotten_in_the_end(folder):
    run = factories.sync_now(factories.folder_source(folder))
    first = run_log.lines(run)[0]

    assert run_log.lines(run, after=first.pk)[0].pk > first.pk
    SyncRunEvent.objects.update(at=timezone.now() - timedelta(days=200))
    assert jobs.sweep()["run_lines"] > 0
    assert said(run) == []


def test_a_deleted_document_is_named_nowhere_in_the_log(folder):
    (folder / "secret merger.md").write_text("")
    run = factories.sync_now(factories.folder_source(folder))
    assert any("secret merger" in line for line in said(run))

    ledger.delete_documents([line.document_id for line in run_log.lines(run) if line.document_id])

    assert not any("secret merger" in line for line in said(run))
    assert run_log.BLANKED in said(run)


def test_a_line_that_was_written_while_its_document_was_deleted_is_shown_to_few_and_blanked(folder):
    run = factories.sync_now(factories.folder_source(folder))
    run_log.say(run, "“secret merger” failed: it is empty.", document=uuid7())

    with acting_as(Caller(kind="user", groups=("sales",))):
        shown = [line["text"] for line in lines_of(run)]
    assert not any("secret merger" in line for line in shown)
    assert len(shown) == len(said(run)) - 1

    jobs.sweep()
    assert not any("secret merger" in line for line in said(run))
