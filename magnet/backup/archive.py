"""The file that a backup is: a compressed tar, written and read as a stream, which proves that it is whole.

manifest.json                what it is (manifest.py)
database/TABLE/000001 …      the rows of a table in PostgreSQL's COPY text, in parts of some megabytes
files/NAME                   what the file storage holds
sequences.json               the number each sequence gave last
checksums.json               the sha256 of each part; it comes last, so that a truncated archive lacks it
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import secrets
import tarfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from magnet.errors import InvalidInput

MANIFEST, SEQUENCES, CHECKSUMS = "manifest.json", "sequences.json", "checksums.json"
PART_BYTES = 8 * 1024 * 1024
READ_BYTES = 1024 * 1024
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
PART_OF_TABLE = re.compile(r"database/\w+/\d{6,}")
# Vectors hardly get smaller by trying harder.
COMPRESSION = 3
UNREADABLE = (EOFError, OSError, zlib.error, tarfile.TarError)


@dataclass
class Writer:
    tar: tarfile.TarFile
    checksums: dict[str, str] = field(default_factory=dict)

    def add_json(self, name: str, value: Any) -> None:
        body = json.dumps(value, indent=1).encode()
        self.add(name, io.BytesIO(body), size=len(body))

    def add_parts(self, name: str, blocks: Iterable[bytes | memoryview]) -> None:
        """A stream whose length nobody knows yet: a tar wants the size of each member before its content."""
        part, number = bytearray(), 0
        for block in blocks:
            part += block
            if len(part) >= PART_BYTES:
                number += 1
                self.add(f"{name}/{number:06}", io.BytesIO(part), size=len(part))
                part = bytearray()
        if part:
            self.add(f"{name}/{number + 1:06}", io.BytesIO(part), size=len(part))

    def add(self, name: str, content: IO[bytes], *, size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        counted = Summed(content)
        self.tar.addfile(member, counted)
        self.checksums[name] = counted.sha256

    def finish(self) -> None:
        self.add_json(CHECKSUMS, self.checksums)


class Summed:
    """A stream that is read once and then knows its sha256."""

    def __init__(self, content: IO[bytes]) -> None:
        self.content, self._digest = content, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self.content.read(size)
        self._digest.update(block)
        return block

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new archive at `path`, which is there as a whole or not at all; only its owner may read it."""
    # A name of its own, and never through a link that somebody has laid there.
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}.unfinished")
    descriptor = os.open(unfinished, NEW_FILE, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with (
                gzip.GzipFile(fileobj=file, mode="wb", compresslevel=COMPRESSION) as compressed,
                tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                writer = Writer(tar)
                yield writer
                writer.finish()
            file.flush()
            os.fsync(file.fileno())
        # Whoever else was writing to the same place and was first keeps it.
        os.close(os.open(path, NEW_FILE, 0o600))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def members(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size and content of each part, in order; each is read before the next. Raises InvalidInput."""
    with readable(path), tarfile.open(path, mode="r|gz", bufsize=READ_BYTES) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is None:
                raise InvalidInput(f"{path} is no backup of Magnet: it holds “{member.name}”, which is no file.")
            yield member.name, member.size, content


@contextmanager
def readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {path}.") from error
    except UNREADABLE as error:
        raise InvalidInput(f"The backup {path} is broken or not complete: {error}. Use another one.") from error


def prove_whole(path: Path) -> dict[str, Any]:
    """Read all of it once and compare the checksums; returns the manifest. Raises InvalidInput."""
    manifest: dict[str, Any] = {}
    found: dict[str, str] = {}
    told: dict[str, Any] = {}
    with readable(path):
        for name, _size, content in members(path):
            counted = Summed(content)
            if name in (MANIFEST, CHECKSUMS):
                value = read_json(path, counted.read())
                manifest, told = (value, told) if name == MANIFEST else (manifest, value)
            if not manifest:
                raise InvalidInput(f"{path} is no backup of Magnet.")
            refuse_strange(name, path=path, manifest=manifest, found=found)
            while counted.read(READ_BYTES):
                pass
            found[name] = counted.sha256
    found.pop(CHECKSUMS, None)
    if not told or found != told:
        raise InvalidInput(f"The backup {path} is broken or not complete: it is not what was written. Use another one.")
    return manifest


def refuse_strange(name: str, *, path: Path, manifest: dict[str, Any], found: Collection[str]) -> None:
    """What no backup of Magnet holds: names that lead out of their folder, unknown tables, the same name twice."""
    if name in (MANIFEST, SEQUENCES, CHECKSUMS):
        is_ours = True
    elif name.startswith("files/"):
        is_ours = is_inside(name)
    else:
        is_ours = bool(PART_OF_TABLE.fullmatch(name)) and name.split("/")[1] in (manifest.get("tables") or {})
    if not is_ours or name in found:
        shown = name[:200].encode("ascii", "backslashreplace").decode()
        raise InvalidInput(
            f"The backup {path} was not made by Magnet: it holds “{shown}”, which does not belong there. "
            "Nothing was written. Use another one."
        )


def is_inside(name: str) -> bool:
    """Whether a name stays below its folder, on every system."""
    return not any(part in ("", ".", "..") for part in name.split("/")) and not re.search(r"[\\:\x00-\x1f]", name)


def read_json(path: Path, body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise InvalidInput(f"{path} is no backup of Magnet.") from error
    return value if isinstance(value, dict) else {}
