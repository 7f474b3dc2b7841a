"""What settings make of a text before they are saved: read as a sync reads, cut as an index cuts, nothing stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from knowledge.chunkers import chunker_kind
from knowledge.chunkers.base import Piece
from knowledge.connectors.file_names import title_of
from knowledge.cutting import Bill, cut, header
from knowledge.models import Chunk, Document
from knowledge.readers import read, read_text
from knowledge.readers.base import Extract
from magnet.models import AIModel
from magnet.providers import provider_kind
from magnet.tokens import count_tokens
from magnet.tracing import trace

# Of a longer text the beginning shows enough; a chunker that embeds would be paid for all of it.
MOST_CHARACTERS = 200_000


@dataclass(frozen=True)
class Sample:
    """A text to try settings on, as a reader has it."""

    title: str
    extract: Extract
    document: UUID | None = None


@dataclass(frozen=True)
class Settings:
    """How to cut; `model` is the embedding model, loaded for use."""

    chunker: str
    config: Mapping[str, Any]
    model: AIModel


@dataclass(frozen=True)
class PreviewedChunk:
    """A chunk as it would be stored. `is_too_long` when the embedding model does not read it to its end."""

    number: int
    heading: str
    page: int | None
    start: int
    end: int
    text: str
    token_count: int
    is_too_long: bool
    # A line that a model wrote for this chunk when it was indexed; no part of the text. A preview has none written.
    context: str = ""


@dataclass(frozen=True)
class Preview:
    """A text, the beginning of it where it is very long, and its chunks; `tokens` and `cost` are what cutting took."""

    title: str
    text: str
    characters: int
    pages: int
    chunks: tuple[PreviewedChunk, ...]
    tokens: int
    cost: Decimal
    model_reads: int

    @property
    def is_shortened(self) -> bool:
        return self.characters > len(self.text)

    @property
    def longest(self) -> int:
        return max((chunk.token_count for chunk in self.chunks), default=0)

    @property
    def shortest(self) -> int:
        return min((chunk.token_count for chunk in self.chunks), default=0)

    @property
    def mean(self) -> int:
        return round(sum(chunk.token_count for chunk in self.chunks) / max(len(self.chunks), 1))

    @property
    def too_long(self) -> int:
        return sum(chunk.is_too_long for chunk in self.chunks)


def of_file(body: bytes, *, filename: str, media_type: str = "") -> Sample:
    """Read a file as a sync would. Raises UnreadableDocument with a sentence that says what to do."""
    extract = read(body, media_type=media_type, filename=filename)
    return Sample(extract.title or title_of(filename), extract)


def of_text(text: str, *, title: str = "", media_type: str = "") -> Sample:
    extract = read_text(text, media_type=media_type)
    return Sample(title or extract.title, extract)


def of_document(document: Document) -> Sample:
    """The text that was read when the document was indexed last."""
    return Sample(str(document), Extract(document.text, document.title, tuple(document.page_starts)), document.pk)


def preview(sample: Sample, settings: Settings) -> Preview:
    """Cut the sample. Asks a provider where the chunker embeds, so never within a transaction."""
    text = sample.extract.text[:MOST_CHARACTERS]
    bill = Bill()
    summary = f"Preview: {chunker_kind(settings.chunker).label}"
    with trace(feature="preview", slug=settings.chunker, summary=summary):
        pieces = cut(text, chunker=settings.chunker, config=settings.config, model=settings.model, bill=bill)
    return Preview(
        title=sample.title,
        text=text,
        characters=len(sample.extract.text),
        pages=len(sample.extract.page_starts),
        chunks=tuple(_chunks(sample, pieces, model=settings.model)),
        tokens=bill.tokens,
        cost=bill.cost,
        model_reads=settings.model.max_input_tokens,
    )


def _chunks(sample: Sample, pieces: list[Piece], *, model: AIModel) -> Iterator[PreviewedChunk]:
    # The built-in model reads every word of a text, however long.
    is_limited = not provider_kind(model.provider.kind).is_built_in
    pages, lines = Document(page_starts=list(sample.extract.page_starts)), _lines(sample)
    for number, piece in enumerate(pieces, 1):
        text = sample.extract.text[piece.start : piece.end]
        embedded = count_tokens(f"{header(sample.title, piece.heading)}\n") + piece.token_count
        yield PreviewedChunk(
            number=number,
            heading=piece.heading,
            page=pages.page_at(piece.start),
            start=piece.start,
            end=piece.end,
            text=text,
            token_count=piece.token_count,
            is_too_long=is_limited and embedded > model.max_input_tokens,
            context=lines.get((piece.heading, text), ""),
        )


def _lines(sample: Sample) -> dict[tuple[str, str], str]:
    """The lines of context that serve now, by heading and text of their chunks."""
    if sample.document is None:
        return {}
    rows = Chunk.objects.filter(document=sample.document, index__status="live").exclude(context="")
    return {(heading, text): line for heading, text, line in rows.values_list("heading", "text", "context")}
