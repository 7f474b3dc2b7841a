"""How every reader says no: a sentence that names the file and what to do about it."""

from __future__ import annotations

from magnet.errors import UnreadableDocument

# Beyond this a text is a database dump or an attack; both would choke whatever comes after reading.
MAX_TEXT_CHARACTERS = 20_000_000


def unreadable(filename: str, sentence: str) -> UnreadableDocument:
    """Make the error for `filename`; `sentence` goes on after the name: "is empty. Upload …"."""
    return UnreadableDocument(f"{f'“{filename}”' if filename else 'This document'} {sentence}")


def too_long(filename: str) -> UnreadableDocument:
    return unreadable(
        filename, f"has more than {MAX_TEXT_CHARACTERS // 1_000_000} million characters. Split it into smaller files."
    )
