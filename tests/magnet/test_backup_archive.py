"""The file of a backup: nobody else's file is touched when it is written, and nothing of a forged one is stored."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from magnet.backup import archive, restoring, saving
from magnet.errors import Conflict, InvalidInput

MANIFEST = {
    "format": 1,
    "made_at": "2026-11-22T10:00:00Z",
    "versions": {},
    "keys": [],
    "migrations": [],
    "tables": {"magnet_user": ["id"]},
}


def forged(path: Path, *names: str) -> Path:
    with archive.writing(path) as written:
        written.add_json(archive.MANIFEST, MANIFEST)
        for name in names:
            written.add(name, io.BytesIO(b"x"), size=1)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "files/../../../tmp/evil",
        "files/../settings.py",
        "files//etc/passwd",
        "files/a/./b",
        "files/a\\..\\..\\b",
        "files/C:/evil",
        "files/",
        "/etc/passwd",
        "../evil",
        "database/magnet_user/../../evil",
        "database/other_table/000001",
        "something.else",
    ],
)
def test_a_backup_with_a_name_that_leads_elsewhere_is_refused_in_a_sentence(tmp_path, name):
    path = forged(tmp_path / "forged.tar.gz", name)

    with pytest.raises(InvalidInput, match=r"does not belong there. Nothing was written"):
        restoring.manifest_of(path)


def test_a_backup_that_holds_the_same_name_twice_is_refused(tmp_path):
    path = forged(tmp_path / "forged.tar.gz", "files/originals/a", "files/originals/a")

    with pytest.raises(InvalidInput, match="does not belong there"):
        restoring.manifest_of(path)


def test_what_magnet_writes_is_read(tmp_path):
    path = forged(tmp_path / "whole.tar.gz", "database/magnet_user/000001", "files/originals/ab/größe …md")

    assert restoring.manifest_of(path).format == 1


def test_of_two_backups_to_one_place_the_first_that_ends_stays_whole(tmp_path):
    path = tmp_path / "magnet.tar.gz"

    slow = archive.writing(path)
    slow.__enter__().add_json(archive.MANIFEST, MANIFEST)
    forged(path, "files/originals/first")
    with pytest.raises(FileExistsError):
        slow.__exit__(None, None, None)

    assert archive.prove_whole(path)
    assert [name for name, _size, _content in archive.members(path)][1] == "files/originals/first"
    assert [file.name for file in tmp_path.iterdir()] == ["magnet.tar.gz"]


def test_a_link_that_lies_at_the_place_leads_nowhere(tmp_path):
    victim, link = tmp_path / "victim", tmp_path / "magnet.tar.gz"
    link.symlink_to(victim)

    with pytest.raises(FileExistsError):
        forged(link)

    assert not victim.exists()
    assert link.is_symlink()


def test_a_place_that_is_taken_is_told_in_a_sentence(tmp_path):
    link = tmp_path / "magnet.tar.gz"
    link.symlink_to(tmp_path / "nowhere")

    with pytest.raises(Conflict, match=r"There is a file .* already"):
        saving.save(link)


def test_a_backup_is_for_its_owner_only_from_the_first_byte(tmp_path):
    with archive.writing(tmp_path / "magnet.tar.gz") as written:
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.stat().st_mode & 0o777 == 0o600
        written.add_json(archive.MANIFEST, MANIFEST)

    assert (tmp_path / "magnet.tar.gz").stat().st_mode & 0o777 == 0o600
