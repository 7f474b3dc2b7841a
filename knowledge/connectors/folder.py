"""Files below a folder that the operator has opened with MAGNET_FOLDER_ROOTS."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import ClassVar, NamedTuple

import structlog
from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field

from knowledge.connectors.base import Connector, Content, RemoteDocument
from knowledge.connectors.file_names import path_of, remote_id_of, shown
from knowledge.connectors.globs import matches_any
from knowledge.connectors.readable import extension_of, media_type_of, readable_extensions
from magnet.errors import FetchFailed, ListingFailed

log = structlog.get_logger(__name__)

MAX_REMOTE_ID = 1_000
CHECK_STOPS_AT = 10_000
# Of the names in one folder.
SORTED_AT_ONCE = 2_000
MOST_BYTES_IN_MEMORY = 256 * 1024


class FolderConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str = Field(
        title="Folder", min_length=1, description="On the server, below a folder that the operator has opened."
    )
    patterns: list[str] = Field(
        default=["**/*"], title="Files", description="Such as *.md or guides/**; one is enough for a file to be read."
    )
    exclude: list[str] = Field(default=[], title="Leave out", description="Such as drafts/** or *.tmp.md.")
    only_readable: bool = Field(
        default=True,
        title="Only readable formats",
        description="Off: other formats fail, with a reason.",
    )


class FolderConnector(Connector):
    """Lists completely or not at all: a folder that cannot be opened ends the listing, so nothing is deleted."""

    label: ClassVar[str] = "Folder"
    description: ClassVar[str] = "Files in a folder of the server or of a mounted share."
    Config: ClassVar[type[BaseModel]] = FolderConfig
    config: FolderConfig

    @classmethod
    def prove(cls, config: FolderConfig) -> None:
        opened_path(config.path)

    def check(self) -> str:
        found = sum(1 for _ in islice(self.list({}), CHECK_STOPS_AT + 1))
        count = f"more than {CHECK_STOPS_AT:,}" if found > CHECK_STOPS_AT else f"{found:,}"
        kind = "readable file" if self.config.only_readable else "file"
        return f"Found {count} {kind}{'' if found == 1 else 's'} in {self.config.path}."

    def list(self, known: Mapping[str, str]) -> Iterator[RemoteDocument]:
        top = self._folder()
        readable = readable_extensions() if self.config.only_readable else None
        left_out = LeftOut()
        for path, status in walk(top, known=known, left_out=left_out):
            if not self._is_meant(path, readable=readable):
                continue
            if len(remote_id_of(path)) > MAX_REMOTE_ID:
                left_out.add(f"{shown(path)[:80]}… (its path is longer than {MAX_REMOTE_ID:,} characters)")
                continue
            yield document_of(path, status)
        self._notice(left_out)

    def fetch(self, document: RemoteDocument) -> Content:
        top, path = self._folder(), path_of(document.remote_id)
        name = shown(path)
        try:
            file = (top / path).resolve(strict=True)
            if not is_open_to_us(file):
                raise FetchFailed(f"{name} leads out of the folders of MAGNET_FOLDER_ROOTS, so it is not read.")
            body = read_file(file, name=name)
        except FileNotFoundError as error:
            raise FetchFailed(f"{name} is no longer in {self.config.path}. Sync again.") from error
        except OSError as error:
            raise FetchFailed(f"{name} cannot be read: {error.strerror}. Check the rights of the file.") from error
        return Content(body=body, media_type=media_type_of(name), filename=PurePosixPath(name).name)

    def _folder(self) -> Path:
        """The configured folder, if it is there and the operator has opened it."""
        path = opened_path(self.config.path)
        try:
            folder = path.resolve(strict=True)
        except OSError as error:
            raise ListingFailed(f"The folder {path} cannot be opened: {error.strerror}. Is it mounted?") from error
        if not folder.is_dir():
            raise ListingFailed(f"{path} is a file. Choose the folder that it is in.")
        return folder

    def _is_meant(self, path: str, *, readable: Set[str] | None) -> bool:
        if readable is not None and extension_of(path) not in readable:
            return False
        return matches_any(path, self.config.patterns) and not matches_any(path, self.config.exclude)

    def _notice(self, left_out: LeftOut) -> None:
        self.state.pop("notice", None)
        if left_out.count:
            self.state["notice"] = f"Left out {left_out.count:,}: {'; '.join(left_out.first)}."
            log.warning("folder_left_out", path=self.config.path, count=left_out.count, examples=left_out.first)


@dataclass
class LeftOut:
    """What is not read, and why: all are counted, the first are named."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, said: str) -> None:
        self.count += 1
        if len(self.first) < 5:
            self.first.append(said)


def opened_path(said: str) -> Path:
    """The path, if the operator has opened it; what stands there may still be missing, as before it is mounted."""
    path = Path(said)
    if not path.is_absolute() or "\0" in said:
        raise ListingFailed(f"{said!r} is not a full path. Write it from the root, like /srv/handbook.")
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that form a circle
        raise ListingFailed(f"The folder {path} cannot be opened: {error}.") from error
    if not is_open_to_us(resolved):
        raise ListingFailed(
            f"The folder {path} is not below a folder that the operator has opened. Choose a folder below "
            f"{', '.join(map(str, settings.FOLDER_ROOTS)) or '(none)'}, or add it to MAGNET_FOLDER_ROOTS."
        )
    return path


def walk(top: Path, *, known: Mapping[str, str], left_out: LeftOut) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every visible regular file with its path relative to `top`, in order, folder by folder.

    `os.walk` passes over folders that it cannot open; here that is an error, because their files would seem deleted.
    """
    start = top.stat()
    waiting = [("", frozenset([(start.st_dev, start.st_ino)]))]
    while waiting:
        folder, above = waiting.pop()
        below = []
        for entry in entries(top / folder, top=top):
            path = f"{folder}/{entry.name}" if folder else entry.name
            status = status_of(entry, top=top, path=path, known=known, left_out=left_out)
            if status is None:
                continue
            identity = (status.st_dev, status.st_ino)
            if stat.S_ISREG(status.st_mode):
                yield path, status
            elif stat.S_ISDIR(status.st_mode) and identity not in above:  # A link to a folder above is a circle.
                below.append((path, above | {identity}))
        waiting.extend(reversed(below))


class Entry(NamedTuple):
    """A name in a folder, and what stood behind it."""

    name: str
    is_link: bool
    is_folder: bool


def entries(folder: Path, *, top: Path) -> Iterator[Entry]:
    """The visible names of a folder, sorted; of a very large one block by block, so that they need little memory.

    All are read before the first is given out: whoever looks at a folder slowly may miss a file that is replaced
    meanwhile, and it would seem deleted.
    """
    with SpooledTemporaryFile(MOST_BYTES_IN_MEMORY, mode="w+", encoding="ascii") as names:
        try:
            with os.scandir(folder) as found:
                visible = (entry_of(entry) for entry in found if not entry.name.startswith("."))
                while block := sorted(islice(visible, SORTED_AT_ONCE)):
                    names.writelines(f"{json.dumps(entry)}\n" for entry in block)
        except OSError as error:
            raise ListingFailed(
                f"The folder {shown(str(folder))} cannot be opened: {error.strerror}. The listing of {top} is not "
                "complete, so nothing was deleted. Check that it is mounted and that its rights let us read it."
            ) from error
        names.seek(0)
        for line in names:
            yield Entry(*json.loads(line))


def entry_of(found: os.DirEntry[str]) -> Entry:
    return Entry(found.name, found.is_symlink(), found.is_dir(follow_symlinks=False))


def status_of(
    entry: Entry, *, top: Path, path: str, known: Mapping[str, str], left_out: LeftOut
) -> os.stat_result | None:
    """What a name stands for, through links; None where it is not read."""
    place = f"{top}/{path}"
    try:
        if entry.is_link and not is_open_to_us(Path(place).resolve(strict=True)):
            left_out.add(f"{shown(path)} (a link that leads out of MAGNET_FOLDER_ROOTS)")
            return None
        return os.stat(place)
    except FileNotFoundError as error:
        if entry.is_link and is_known(path, known):
            raise ListingFailed(
                f"{shown(path)} is a link that leads nowhere, and its documents were read before. Is its target "
                "mounted? Nothing was deleted; remove the link if they should go."
            ) from error
        if entry.is_link:
            left_out.add(f"{shown(path)} (a link that leads nowhere)")
            return None
        if entry.is_folder:
            raise ListingFailed(
                f"The folder {shown(path)} went away meanwhile. Nothing was deleted; sync again."
            ) from error
        return None  # A file that was deleted this moment.
    except (OSError, RuntimeError) as error:  # RuntimeError: links that form a circle
        raise ListingFailed(f"{shown(path)} cannot be looked at: {error}. Nothing was deleted.") from error


def is_known(path: str, known: Mapping[str, str]) -> bool:
    below = f"{path}/"
    return any(path == file or file.startswith(below) for file in map(path_of, known))


def is_open_to_us(resolved: Path) -> bool:
    return any(resolved.is_relative_to(root.resolve()) for root in settings.FOLDER_ROOTS)


def document_of(path: str, status: os.stat_result) -> RemoteDocument:
    name = shown(path)
    return RemoteDocument(
        remote_id=remote_id_of(path),
        media_type=media_type_of(name),
        version=f"{status.st_size}-{status.st_mtime_ns}",
        metadata={"path": name},
    )


def read_file(file: Path, *, name: str) -> bytes:
    limit: int = settings.MAX_UPLOAD_BYTES
    # Without O_NONBLOCK, a pipe that took the file's place would hold us for ever.
    with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise FetchFailed(f"{name} is not a file.")
        body = opened.read(limit + 1)
    if len(body) > limit:
        raise FetchFailed(f"{name} is larger than {limit // 1024 // 1024} MB. Split it, or raise MAGNET_MAX_UPLOAD_MB.")
    return body
