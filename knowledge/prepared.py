"""A document on its way into an index: read and cut, and then the rows that are written of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from knowledge.chunk_writer import ChunkRow, Replacement
from knowledge.chunkers.base import Piece
from knowledge.cutting import header
from knowledge.models import Document, IndexedDocument
from knowledge.readers.base import Extract
from magnet.language import character_pairs, needs_character_pairs, search_configuration


@dataclass(frozen=True)
class Prepared:
    """One document as it will be once its chunks are written."""

    entry: IndexedDocument
    title: str
    extract: Extract
    language: str
    content_hash: str
    pieces: list[Piece]
    keys: list[bytes]
    columns: dict[str, Any] = field(default_factory=dict)
    # Cut again from what is stored: the document itself stays as it is.
    is_stored: bool = False
    # Vectors that came with the document.
    given: dict[bytes, Any] = field(default_factory=dict)
    # A line for each piece, where a model writes them.
    contexts: list[str] = field(default_factory=list)

    @property
    def is_unchanged(self) -> bool:
        """Whether the generation holds all of it already; then it was not cut."""
        return not self.columns and self.content_hash == self.entry.content_hash

    def headers(self) -> list[str]:
        """What stands in front of each piece when it is embedded and searched."""
        lines = self.contexts or [""] * len(self.pieces)
        return [header(self.title, piece.heading, line) for piece, line in zip(self.pieces, lines, strict=True)]

    def texts(self) -> list[str]:
        """What is embedded: the header in front of each piece."""
        return [
            f"{head}\n{self.extract.text[piece.start : piece.end]}"
            for head, piece in zip(self.headers(), self.pieces, strict=True)
        ]


def replacement(item: Prepared, vectors: dict[bytes, Any]) -> Replacement:
    if item.is_stored:
        return Replacement(item.entry, {}, item.content_hash, list(_rows(item, vectors)), timezone.now(), item.language)
    document = item.entry.document
    kept = {name: getattr(document, name) for name in ("media_type", "file_hash", "file_bytes", "fetched_version")}
    columns = {
        **kept,
        "file": document.file.name or "",
        "title": item.title,
        "text": item.extract.text,
        "page_starts": list(item.extract.page_starts),
        "language": item.language,
        "content_hash": hash_of(item.title, item.language, item.extract.text),
        **item.columns,
    }
    return Replacement(
        entry=item.entry,
        columns=columns,
        content_hash=item.content_hash,
        rows=list(_rows(item, vectors)),
        at=timezone.now(),
        language=item.language,
    )


def _rows(item: Prepared, vectors: dict[bytes, Any]) -> Iterator[ChunkRow]:
    configuration = search_configuration(item.language)
    pairs = needs_character_pairs(item.language)
    document = Document(page_starts=list(item.extract.page_starts))
    lines = item.contexts or [""] * len(item.pieces)
    for position, (piece, key, words, line) in enumerate(zip(item.pieces, item.keys, item.texts(), lines, strict=True)):
        yield ChunkRow(
            position=position,
            heading=piece.heading,
            page=document.page_at(piece.start),
            text=item.extract.text[piece.start : piece.end],
            start=piece.start,
            end=piece.end,
            vector_key=key,
            configuration=configuration,
            words=character_pairs(words) if pairs else words,
            token_count=piece.token_count,
            embedding=vectors[key],
            context=line,
        )


def hash_of(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
