"""Original files: kept in Django's default storage, named by their sha256, so that one content is stored once.

Who refers to a file and who removes it at the same moment meet at a lock: `keep` or `kept` holds it, in the
transaction that writes the reference, until that has ended; `discard` looks for references under it.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

import structlog
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection, transaction
from django.utils import timezone

from knowledge.models import Document
from magnet.errors import StorageFull

log = structlog.get_logger(__name__)

MAX_SUFFIX = 10


# The first number of the lock's name; the second is one of the 256 folders, so that no transaction needs many locks.
LOCK = 6_248_003
FULL = {errno.ENOSPC, errno.EDQUOT}
FULL_DISK = "The disk that holds the original files is full. Free some space, or give it more; nothing was lost."
# Measured with 150 small files: 4.8 ms for each flushed by itself, 0.25 ms when eight are flushed at a time.
FLUSHED_AT_ONCE = 8


@dataclass(frozen=True)
class Original:
    """A stored file: its name in the storage, sha256 and size in bytes."""

    name: str
    sha256: str
    size: int


def keep(body: bytes, *, filename: str = "", is_flushed: bool = True) -> Original:
    """Store a file durably; the same content again is the same file. Raises StorageFull.

    In a transaction it stays at least until that ends; outside of one, ask `kept` in the one that refers to it.
    Many files are stored sooner without `is_flushed`; then `flush` makes them durable, before a row refers to them.
    """
    digest = hashlib.sha256(body).hexdigest()
    suffix = PurePosixPath(filename.lower()).suffix
    if len(suffix) > MAX_SUFFIX or not suffix[1:].isalnum() or not suffix.isascii():
        suffix = ""
    name = f"originals/{digest[:2]}/{digest}{suffix}"
    if connection.in_atomic_block:
        _lock([_folder_of(name)], statement=SHARED)
    if not _is_whole(name, len(body)):
        name = _write(name, body, is_flushed=is_flushed)
    return Original(name=name, sha256=digest, size=len(body))


def kept(sizes: Mapping[str, int]) -> set[str]:
    """Those of these files, kept a while ago, that are still there with their sizes; they stay until the transaction
    ends."""
    if folders := {_folder_of(name) for name in sizes}:
        _lock(folders, statement=SHARED)
    return {name for name, size in sizes.items() if _is_whole(name, size)}


def flush(names: Iterable[str]) -> None:
    """Make files durable that were kept without it: side by side, because the disk then writes them together.

    Raises StorageFull. Call it outside of a transaction.
    """
    if not isinstance(default_storage._wrapped, FileSystemStorage):  # type: ignore[attr-defined]
        return  # Other storages promise that themselves.
    wanted = sorted({default_storage.path(name): name for name in names}.items())
    if not wanted:
        return
    # The folders last: they hold the names of what is written by then.
    folders = {os.path.dirname(path): name for path, name in wanted}
    with ThreadPoolExecutor(FLUSHED_AT_ONCE, thread_name_prefix="flush") as threads:
        refused = [name for part in (wanted, sorted(folders.items())) for name in threads.map(_refused, part) if name]
    if refused:
        # What could not be written once may seem to be written the next time.
        discard(refused)
        raise StorageFull(FULL_DISK)


def _refused(file: tuple[str, str]) -> str:
    """The name of a file for which, or for whose folder, there was no space."""
    path, name = file
    try:
        _flush_path(path)
    except FileNotFoundError:
        return ""  # Discarded meanwhile, which who refers to it finds out.
    except OSError as error:
        if error.errno not in FULL:
            raise
        return name
    return ""


def _write(name: str, body: bytes, *, is_flushed: bool) -> str:
    try:
        default_storage.delete(name)
        name = default_storage.save(name, ContentFile(body))
        if is_flushed:
            _flush_to_disk(name)
    except OSError as error:
        if error.errno not in FULL:
            raise
        default_storage.delete(name)
        raise StorageFull(FULL_DISK) from error
    return name


def _is_whole(name: str, size: int) -> bool:
    """A process that was killed while it wrote has left the beginning of a file under the name of the whole."""
    return default_storage.exists(name) and default_storage.size(name) == size


def read(document: Document) -> bytes:
    with default_storage.open(str(document.file.name)) as file:
        return bytes(file.read())


def discard(names: Iterable[str]) -> int:
    """Remove files that no document refers to any more; returns how many. Call it after the commit."""
    folders: dict[int, set[str]] = {}
    for name in filter(None, names):
        folders.setdefault(_folder_of(name), set()).add(name)
    if not folders:
        return 0
    removed, waiting = _discard(folders, statement=ALONE_IF_FREE)
    # One by one, because whoever waits for several locks may wait for somebody who waits for him.
    return removed + sum(_discard({folder: folders[folder]}, statement=ALONE)[0] for folder in sorted(waiting))


@transaction.atomic
def _discard(folders: Mapping[int, set[str]], *, statement: str) -> tuple[int, set[int]]:
    """How many files were removed, and the folders whose lock was not to be had."""
    locked = _lock(folders, statement=statement)
    candidates = set().union(*(folders[folder] for folder in locked))
    unused = candidates - set(Document.objects.filter(file__in=candidates).values_list("file", flat=True))
    for name in unused:
        default_storage.delete(name)
    return len(unused), folders.keys() - locked


# Of several folders always in the same order.
SHARED = "select f from unnest(%s::int[]) f where pg_advisory_xact_lock_shared(%s, f) is not null"
ALONE = "select f from unnest(%s::int[]) f where pg_advisory_xact_lock(%s, f) is not null"
ALONE_IF_FREE = "select f from unnest(%s::int[]) f where pg_try_advisory_xact_lock(%s, f)"


def _lock(folders: Iterable[int], *, statement: str) -> set[int]:
    """The folders that are locked by it."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [sorted(folders), LOCK])
        return {folder for (folder,) in cursor.fetchall()}


def _folder_of(name: str) -> int:
    return int(os.path.basename(os.path.dirname(name)), 16)


def sweep(*, older_than: timedelta = timedelta(days=1)) -> int:
    """Remove stored files that no document refers to: left by a crash between file and row; returns how many.

    Young files are left alone, because their row may be in a transaction that has not ended.
    """
    before = timezone.now() - older_than
    removed = 0
    for folder in _folders("originals"):
        names = [f"{folder}/{name}" for name in default_storage.listdir(folder)[1]]
        removed += discard(name for name in names if default_storage.get_modified_time(name) < before)
    return removed


def _folders(root: str) -> list[str]:
    if not default_storage.exists(root):
        return []
    return [f"{root}/{name}" for name in default_storage.listdir(root)[0]]


def _flush_to_disk(name: str) -> None:
    """An acknowledged upload must survive a power cut; other storages promise that themselves."""
    if not isinstance(default_storage._wrapped, FileSystemStorage):  # type: ignore[attr-defined]
        return
    path = default_storage.path(name)
    for target in (path, os.path.dirname(path)):
        _flush_path(target)


def _flush_path(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
