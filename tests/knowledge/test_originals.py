"""Original files: one content is one file, and what a crash left half written is written again."""

import errno
import os
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from knowledge import originals
from knowledge.models import Document
from magnet.errors import StorageFull
from tests import factories


@pytest.fixture(autouse=True)
def files(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path


def test_the_same_content_is_stored_once():
    first, second = originals.keep(b"Bees", filename="a.txt"), originals.keep(b"Bees", filename="b.txt")

    assert first == second
    assert default_storage.open(first.name).read() == b"Bees"


def test_a_file_that_was_half_written_when_its_process_was_killed_is_written_again():
    name = originals.keep(b"All about bees", filename="a.txt").name
    default_storage.delete(name)
    default_storage.save(name, ContentFile(b"All ab"))

    kept = originals.keep(b"All about bees", filename="a.txt")

    assert (kept.name, default_storage.open(name).read()) == (name, b"All about bees")


@pytest.fixture
def flushed(monkeypatch):
    """The inodes that were written through to the disk."""
    seen, flush = set(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (flush(descriptor), seen.add(os.fstat(descriptor).st_ino)))
    return seen


def inodes(name):
    path = Path(default_storage.path(name))
    return {path.stat().st_ino, path.parent.stat().st_ino}


@pytest.mark.django_db
def test_files_that_are_kept_together_are_written_through_together(flushed):
    names = [originals.keep(b"Bees %d" % number, is_flushed=False).name for number in range(20)]
    assert not flushed

    originals.flush(names)

    assert set().union(*map(inodes, names)) <= flushed


@pytest.mark.django_db(transaction=True)
def test_every_original_is_on_the_disk_when_its_document_is_live(flushed, tmp_path, settings):
    settings.FOLDER_ROOTS = [tmp_path]
    folder = tmp_path / "wiki"
    folder.mkdir()
    for number in range(30):
        (folder / f"page-{number}.md").write_text(f"Page {number} is about bees.")

    run = factories.sync_now(factories.folder_source(folder))

    assert run.receipt["live"] == 30
    for name in Document.objects.values_list("file", flat=True):
        assert inodes(name) <= flushed


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_turns_out_to_be_full_while_it_writes_keeps_no_half_file(monkeypatch):
    name = originals.keep(b"All about bees", is_flushed=False).name

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="is full"):
        originals.flush([name])
    assert not default_storage.exists(name)
