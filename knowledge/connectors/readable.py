"""Which files the readers can turn into text, so that connectors do not download films."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

# What servers say when they do not know.
VAGUE = {"", "application/octet-stream", "binary/octet-stream", "application/x-download", "application/force-download"}

HOPELESS_FAMILIES = {"image", "video", "audio", "font"}
ARCHIVES = {"application/zip", "application/gzip", "application/x-tar", "application/x-7z-compressed"}


def readable_extensions() -> frozenset[str]:
    """Lower case, with the dot."""
    from knowledge.readers import READERS

    return frozenset(extension.lower() for reader in READERS.values() for extension in reader.extensions)


def readable_media_types() -> frozenset[str]:
    from knowledge.readers import READERS

    return frozenset(media_type for reader in READERS.values() for media_type in reader.media_types)


def has_readable_name(name: str) -> bool:
    return extension_of(name) in readable_extensions()


def is_readable(media_type: str, *, name: str) -> bool:
    """Whether a reader knows the media type; where the server is vague, the name decides."""
    if media_type in VAGUE:
        return has_readable_name(name) or (media_type == "" and not extension_of(name))
    return media_type in readable_media_types()


def is_hopeless(name: str) -> bool:
    """Whether a name promises something unreadable for sure (.mp4, .zip), so that it is not even asked for.

    Only for families that no page is named after: `/docs/next.js` is a page.
    """
    guess = media_type_of(name)
    return guess.partition("/")[0] in HOPELESS_FAMILIES or guess in ARCHIVES


def media_type_of(name: str) -> str:
    """What the extension promises, or nothing. A packed file (.gz) is no document."""
    if extension_of(name) == ".com":
        return ""  # The end of a host name far more often than a program of 1985.
    kind, packing = mimetypes.guess_type(name, strict=False)
    return "application/gzip" if packing else kind or ""


def extension_of(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
