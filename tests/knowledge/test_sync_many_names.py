"""Folders with very many files, and names in every script: all are listed, found by name, and gone when they go."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge.connectors.folder import FolderConfig, FolderConnector
from knowledge.models import Chunk
from tests import factories

MANY = 50_000
NAMES = (
    "日本語の手引き.md",
    "Руководство пользователя.txt",
    "دليل المستخدم.md",
    "מדריך.md",
    "คู่มือการใช้งาน.md",
    "हिन्दी पुस्तिका.md",
    "Ελληνικά/Οδηγός.md",
    "Straße & Äpfel (neu).md",
    "e\u0301te\u0301.md",
    "été.md",
    "🐝 bees 🍯.md",
    "a'b\"c;%20#?.md",
)


@pytest.fixture
def folder(tmp_path: Path, settings) -> Path:
    settings.FOLDER_ROOTS, settings.MEDIA_ROOT = [tmp_path], tmp_path / "media"
    (tmp_path / "wiki").mkdir()
    return tmp_path / "wiki"


def test_fifty_thousand_files_in_one_folder_are_all_listed(folder):
    for number in range(MANY):
        (folder / f"{number}.md").touch()

    listed = {document.remote_id for document in FolderConnector(FolderConfig(path=str(folder))).list({})}

    assert listed == {f"{number}.md" for number in range(MANY)}


@pytest.mark.django_db(transaction=True)
def test_names_in_every_script_come_change_and_go(folder):
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"Bees number {number}.")
    source = factories.folder_source(folder, deletion_guard_percent=100)

    first = factories.sync_now(source)
    stored = dict(source.documents.values_list("remote_id", "text"))
    (folder / NAMES[0]).write_text("Something else.")
    (folder / NAMES[-1]).unlink()
    second = factories.sync_now(source)

    assert first.receipt["live"] == len(NAMES)
    assert stored == {name: f"Bees number {number}." for number, name in enumerate(NAMES)}
    assert (second.changed, second.deleted, second.receipt["live"]) == (1, 1, len(NAMES) - 1)
    assert not Chunk.objects.filter(document__remote_id=NAMES[-1]).exists()
