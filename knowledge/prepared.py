"""A document on its way into an index: fetched, read and cut, and then the rows that are written of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from knowledge import originals
from knowledge.chunk_writer import ChunkRow, Replacement
from knowledge.chunkers.base import Piece
from knowledge.connectors.base import Connector, RemoteDocument
from knowledge.connectors.file_names import title_of
from knowledge.cutting import Bill, cut, header, vector_key
from knowledge.given_vectors import taken_over
from knowledge.models import Document, IndexedDocument, KnowledgeIndex
from knowledge.readers import read, read_text
from knowledge.readers.base import Extract
from knowledge.stored_texts import NOTHING, StoredText, StoredTexts, is_read
from magnet.language import character_pairs, detect, needs_character_pairs, search_configuration


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


def prepare(
    index: KnowledgeIndex,
    entry: IndexedDocument,
    *,
    connector: Connector | None,
    stored: StoredTexts,
    bill: Bill,
) -> Prepared:
    """Fetch, read and cut one document; writes nothing but the original file."""
    document = entry.document
    columns, extract, vector = (
        ({}, _as_stored(document, stored.take(document)), ())
        if connector is None
        else _extract(document, connector=connector, stored=stored)
    )
    title = document.given_title or extract.title or title_of(document.remote_id)
    language = index.language or detect(extract.text)
    given = taken_over(vector, text=extract.text, model=index.embedding_model)
    # With the vector's key, so that the same text without it is embedded.
    content_hash = hash_of(index.settings_hash, title, language, extract.text, *([given.key.hex()] if given else []))
    is_stored = connector is None
    prepared = Prepared(entry, title[:1_000], extract, language, content_hash, [], [], columns, is_stored)
    if prepared.is_unchanged:
        return prepared
    if given:
        return replace(prepared, pieces=[given.piece], keys=[given.key], given={given.key: given.vector})
    model = index.embedding_model
    pieces = cut(extract.text, chunker=index.chunker, config=index.chunker_config, model=model, bill=bill)
    keys = [
        vector_key(model, header=header(title, piece.heading), text=extract.text[piece.start : piece.end])
        for piece in pieces
    ]
    return replace(prepared, pieces=pieces, keys=keys)


def _as_stored(document: Document, stored: StoredText) -> Extract:
    return Extract(stored.text, document.title, stored.page_starts)


def _extract(
    document: Document, *, connector: Connector, stored: StoredTexts
) -> tuple[dict[str, Any], Extract, tuple[float, ...]]:
    """The text of the newest content, with the columns of the document that change by it, and a vector given along."""
    vector: tuple[float, ...] = ()
    held = stored.take(document) if connector.is_pushed or is_read(document) else NOTHING
    if held.incoming is not None:
        extract = read_text(held.incoming, media_type=document.media_type)
        return {"fetched_version": document.version}, extract, vector
    if is_read(document):
        return {}, _as_stored(document, held), vector
    if document.file and document.fetched_version == document.version:
        body, columns = originals.read(document), {}
        media_type, filename = document.media_type, document.remote_id
    else:
        content = connector.fetch(_remote(document))
        original = originals.keep(content.body, filename=content.filename or document.remote_id, is_flushed=False)
        body, vector, media_type = content.body, content.vector, content.media_type or document.media_type
        filename = content.filename or document.remote_id
        columns = {
            "file": original.name,
            "file_hash": original.sha256,
            "file_bytes": original.size,
            "media_type": media_type,
            "fetched_version": document.version,
        }
    return columns, read(body, media_type=media_type, filename=filename), vector


def _remote(document: Document) -> RemoteDocument:
    return RemoteDocument(
        remote_id=document.remote_id,
        title=document.given_title,
        url=document.url,
        media_type=document.media_type,
        version=document.version,
        metadata=document.metadata,
    )


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
