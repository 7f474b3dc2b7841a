"""Original files: one content is one file, and what a crash left half written is written again."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from knowledge import originals


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
