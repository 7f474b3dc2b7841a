"""Files below a folder that the operator has opened with MAGNET_FOLDER_ROOTS."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import ClassVar

import structlog
from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field

from knowledge.connectors.base import Connector, Content, RemoteDocument
from knowledge.connectors.file_names import path_of, remote_id_of, shown
from knowledge.connectors.globs import matches_any
from knowledge.connectors.readable import has_readable_name, media_type_of
from magnet.errors import FetchFailed, ListingFailed

log = structlog.get_logger(__name__)

MAX_REMOTE_ID = 1_000
CHECK_STOPS_AT = 10_000


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
        left_out: list[str] = []
        for path, status in walk(top, known=known, left_out=left_out):
            if not self._is_meant(path):
                continue
            if len(remote_id_of(path)) > MAX_REMOTE_ID:
                left_out.append(f"{shown(path)[:80]}… (its path is longer than {MAX_REMOTE_ID:,} characters)")
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

    def _is_meant(self, path: str) -> bool:
        if self.config.only_readable and not has_readable_name(path):
            return False
        return matches_any(path, self.config.patterns) and not matches_any(path, self.config.exclude)

    def _notice(self, left_out: Sequence[str]) -> None:
        self.state.pop("notice", None)
        if left_out:
            self.state["notice"] = f"Left out {len(left_out):,}: {'; '.join(left_out[:5])}."
            log.warning("folder_left_out", path=self.config.path, count=len(left_out), examples=left_out[:5])


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


def walk(top: Path, *, known: Mapping[str, str], left_out: list[str]) -> Iterator[tuple[str, os.stat_result]]:
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
            status = status_of(entry, path=path, known=known, left_out=left_out)
            if status is None:
                continue
            identity = (status.st_dev, status.st_ino)
            if stat.S_ISREG(status.st_mode):
                yield path, status
            elif stat.S_ISDIR(status.st_mode) and identity not in above:  # A link to a folder above is a circle.
                below.append((path, above | {identity}))
        waiting.extend(reversed(below))


def entries(folder: Path, *, top: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise ListingFailed(
            f"The folder {shown(str(folder))} cannot be opened: {error.strerror}. The listing of {top} is not "
            "complete, so nothing was deleted. Check that it is mounted and that its rights let us read it."
        ) from error


def status_of(
    entry: os.DirEntry[str], *, path: str, known: Mapping[str, str], left_out: list[str]
) -> os.stat_result | None:
    """What a name stands for, through links; None where it is not read."""
    try:
        if entry.is_symlink() and not is_open_to_us(Path(entry.path).resolve(strict=True)):
            left_out.append(f"{shown(path)} (a link that leads out of MAGNET_FOLDER_ROOTS)")
            return None
        return entry.stat()
    except FileNotFoundError as error:
        if entry.is_symlink() and is_known(path, known):
            raise ListingFailed(
                f"{shown(path)} is a link that leads nowhere, and its documents were read before. Is its target "
                "mounted? Nothing was deleted; remove the link if they should go."
            ) from error
        if entry.is_symlink():
            left_out.append(f"{shown(path)} (a link that leads nowhere)")
            return None
        if entry.is_dir(follow_symlinks=False):
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
