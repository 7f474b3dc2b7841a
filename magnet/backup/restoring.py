"""Puts a backup back: proven first, then in one transaction, so that what cannot be restored changes nothing.

The schema is made by the migrations that the backup had, filled, and then migrated to those of this release: so a
backup of an older Magnet, or from another PostgreSQL, is restored like one of today.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO

import psycopg
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from pydantic import ValidationError

from magnet.backup import tables
from magnet.backup.archive import READ_BYTES, SEQUENCES, members, prove_whole
from magnet.backup.manifest import Manifest, refuse_newer, refuse_other_keys
from magnet.errors import Conflict, InvalidInput

LOCK_SECONDS = 10
SHOWN = 3


@dataclass(frozen=True)
class Restored:
    manifest: Manifest
    files: int


def restore(path: Path, *, replace: bool = False, keys_are_lost: bool = False) -> Restored:
    """Raises InvalidInput (broken), Conflict (newer, not empty, at work) or NotConfigured (other encryption keys)."""
    manifest = manifest_of(path)
    refuse_newer(manifest)
    if not keys_are_lost:
        refuse_other_keys(manifest)
    refuse_to_overwrite(replace=replace)
    try:
        files = put_back(path, manifest)
    except (DatabaseError, psycopg.Error, OSError, ValueError, SuspiciousFileOperation) as error:
        reason = " ".join(str(error).split())
        raise Conflict(f"The backup was not restored, and nothing was changed: {reason}") from error
    tables.analyze()
    return Restored(manifest, files)


def manifest_of(path: Path) -> Manifest:
    try:
        return Manifest.model_validate(prove_whole(path))
    except ValidationError as error:
        raise InvalidInput(f"{path} is no backup that this Magnet can read.") from error


def refuse_to_overwrite(*, replace: bool) -> None:
    if tables.is_at_work():
        raise Conflict("Magnet is at work here. Stop its web and its workers, wait half a minute, then restore.")
    filled = tables.filled()
    if filled and not replace:
        some = ", ".join(filled[:SHOWN])
        raise Conflict(
            f"This Magnet is not empty ({some}…), and a restore replaces all of it. "
            "Name an empty MAGNET_DATA_DIR or DATABASE_URL, or add --replace to throw away what is here."
        )


@transaction.atomic
def put_back(path: Path, manifest: Manifest) -> int:
    """Returns how many files were stored. Those of a restore that failed lie unused until the nightly sweep."""
    tables.wait_at_most(LOCK_SECONDS)
    tables.drop_all()
    make_schema(manifest.migrations)
    refuse_other_tables(manifest)
    tables.empty_all()
    with tables.unguarded():
        files = fill(path, manifest)
    ContentType.objects.clear_cache()
    call_command("migrate", verbosity=0, interactive=False)
    return files


def make_schema(applied: list[tuple[str, str]]) -> None:
    """The tables as they were when the backup was made."""
    executor = MigrationExecutor(connection)
    graph = executor.loader.graph
    nodes = set(applied) & set(graph.nodes)
    # Named alone: a migration named beside its successor would take the successor back.
    last = sorted(node for node in nodes if not nodes & {child.key for child in graph.node_map[node].children})
    executor.migrate(last)


def refuse_other_tables(manifest: Manifest) -> None:
    here = {table: set(tables.columns(table)) for table in tables.ours()}
    for table, names in manifest.tables.items():
        if missing := set(names) - here.get(table, set()):
            raise Conflict(f"The backup has {table}.{min(missing)}, for which this Magnet has no place.")


def fill(path: Path, manifest: Manifest) -> int:
    files = 0
    for place, parts in groupby(members(path), key=lambda part: place_of(part[0])):
        kind, _, table = place.partition("/")
        if kind == "database":
            fill_table(table, manifest.tables[table], parts)
        elif kind == "files":
            files += sum(1 for name, size, content in parts if store(name.removeprefix("files/"), content, size=size))
        elif kind == SEQUENCES:
            tables.set_sequences({name: last for _, _, content in parts for name, last in json.load(content).items()})
    return files


def place_of(name: str) -> str:
    """What belongs together: the parts of one table, all files, or a part of its own."""
    return name.rpartition("/")[0] if name.startswith("database/") else name.partition("/")[0]


def fill_table(table: str, names: list[str], parts: Iterator[tuple[str, int, IO[bytes]]]) -> None:
    with tables.filling(table, names) as copy:
        for _name, _size, content in parts:
            while block := content.read(READ_BYTES):
                copy.write(block)


def store(name: str, content: IO[bytes], *, size: int) -> bool:
    """Whether it was stored: one that is here already, whole, is left alone."""
    if default_storage.exists(name):
        if default_storage.size(name) == size:
            return False
        default_storage.delete(name)
    default_storage.save(name, File(content, name=name))
    return True
