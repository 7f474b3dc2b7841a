"""File names of any script, also broken ones, as ids that a database can keep and that lead back to the file."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from urllib.parse import unquote_to_bytes

# Bytes that are no UTF-8 arrive from the file system as lone surrogates (PEP 383), which PostgreSQL refuses.
UNDECODABLE = re.compile("[\ud800-\udfff]")
NEEDS_ESCAPE = re.compile("[%\ud800-\udfff]")


def remote_id_of(path: str) -> str:
    """The relative path itself; a path with undecodable bytes is percent-encoded and marked by a leading slash,
    which no relative path has, so that two different files never share an id."""
    if not UNDECODABLE.search(path):
        return path
    return "/" + NEEDS_ESCAPE.sub(lambda match: f"%{os.fsencode(match[0])[0]:02X}", path)


def path_of(remote_id: str) -> str:
    """The way back."""
    if not remote_id.startswith("/"):
        return remote_id
    return os.fsdecode(unquote_to_bytes(remote_id[1:]))


def shown(path: str) -> str:
    """A path for people: what is not UTF-8 was most likely written by an old Windows."""
    raw = os.fsencode(path)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def title_of(remote_id: str) -> str:
    """The file name without its extension, for documents in which no reader found a better title."""
    name = PurePosixPath(shown(path_of(remote_id)))
    return name.stem.replace("_", " ").strip() or name.name
