"""Makes a backup while Magnet works: the database as of one moment, then the files, in one stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from magnet.backup import tables
from magnet.backup.archive import MANIFEST, SEQUENCES, Writer, writing
from magnet.backup.manifest import FORMAT, Manifest, fingerprints
from magnet.errors import Conflict, InvalidInput


@dataclass(frozen=True)
class Saved:
    """What is in a backup; `vanished` files were deleted, with their documents, while it was made."""

    tables: int
    files: int
    vanished: int
    size: int


def save(path: Path) -> Saved:
    """Write a backup to `path`, which must not exist yet. Raises InvalidInput, Conflict."""
    if path.exists() or path.is_symlink():
        raise there_is_one(path)
    try:
        with writing(path) as archive:
            manifest = save_database(archive)
            files, vanished = save_files(archive)
    except FileExistsError as error:
        raise there_is_one(path) from error
    except OSError as error:
        raise InvalidInput(f"The backup cannot be written to {path}: {error}. Name another place.") from error
    return Saved(len(manifest.tables), files, vanished, path.stat().st_size)


def there_is_one(path: Path) -> Conflict:
    return Conflict(f"There is a file {path} already. Name another one.")


@transaction.atomic
def save_database(archive: Writer) -> Manifest:
    tables.read_only_snapshot()
    manifest = Manifest(
        format=FORMAT,
        made_at=timezone.now(),
        versions={"django": version("django"), **tables.versions()},
        keys=fingerprints(),
        migrations=tables.migrations(),
        tables={table: tables.columns(table) for table in tables.ours() if table != tables.RECORD},
    )
    archive.add_json(MANIFEST, manifest.model_dump(mode="json"))
    for table, names in manifest.tables.items():
        if table not in tables.WITHOUT_ROWS:
            archive.add_parts(f"database/{table}", tables.rows_of(table, names))
    archive.add_json(SEQUENCES, tables.sequences())
    return manifest


def save_files(archive: Writer) -> tuple[int, int]:
    """After the database: a file that its rows name is there, unless it was deleted since."""
    saved = vanished = 0
    for name in stored_files(""):
        try:
            with default_storage.open(name) as file:
                archive.add(f"files/{name}", file, size=file.size)
                saved += 1
        except FileNotFoundError:
            vanished += 1
    return saved, vanished


def stored_files(folder: str) -> Iterator[str]:
    if folder or default_storage.exists(folder):
        folders, names = default_storage.listdir(folder)
        prefix = f"{folder}/" if folder else ""
        yield from (f"{prefix}{name}" for name in names)
        for name in folders:
            yield from stored_files(f"{prefix}{name}")
