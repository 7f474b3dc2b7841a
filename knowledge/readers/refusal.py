"""How every reader says no: a sentence that names the file and what to do about it."""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import PurePath

from magnet.errors import UnreadableDocument

# Beyond this a text is a database dump or an attack; both would choke whatever comes after reading.
MAX_TEXT_CHARACTERS = 20_000_000
# What people hand in most of what nobody can read as text.
NAMES = {"image": "a picture", "audio": "a sound", "video": "a film"}


def unreadable(filename: str, sentence: str) -> UnreadableDocument:
    """Make the error for `filename`; `sentence` goes on after the name: "is empty. Upload …"."""
    return UnreadableDocument(f"{f'“{filename}”' if filename else 'This document'} {sentence}")


def unsupported(filename: str) -> UnreadableDocument:
    extension = PurePath(filename).suffix.lower()
    media = (guess_type(f"file{extension}")[0] or "").partition("/")[0]
    named = f"{NAMES[media]} ({extension})" if media in NAMES else f"“{extension}”" if extension else ""
    said = "is in a format that is not supported" + (f": {named}" if named else "")
    return unreadable(
        filename, f"{said}. Save it as PDF, Word, Excel, PowerPoint, HTML, Markdown or text, and upload that."
    )


def too_long(filename: str) -> UnreadableDocument:
    return unreadable(
        filename, f"has more than {MAX_TEXT_CHARACTERS // 1_000_000} million characters. Split it into smaller files."
    )
