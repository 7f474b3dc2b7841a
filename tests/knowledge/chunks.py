"""Sources with chunks in them, written as a sync writes them but without its steps: one chunk for each document."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from knowledge import chunk_writer, cutting
from knowledge.chunk_writer import ChunkRow, Replacement
from knowledge.models import Document, IndexedDocument, KnowledgeIndex, KnowledgeSource
from knowledge.models.documents import remote_key
from magnet.language import character_pairs, needs_character_pairs, search_configuration
from magnet.models import AIModel
from magnet.providers import local_embeddings
from tests import factories
from tests.fake_openai_answers import vector_of

AT_ONCE = 2_000


@dataclass(frozen=True)
class Page:
    """A document of one chunk."""

    remote_id: str
    text: str
    title: str = ""
    language: str = "en"
    metadata: dict[str, Any] = field(default_factory=dict)
    groups: list[str] | None = None
    columns: dict[str, Any] = field(default_factory=dict)


def make_source(
    slug: str = "handbook", pages: Iterable[Page | str] = (), *, model: AIModel | None = None
) -> KnowledgeSource:
    """A source whose live generation holds these pages; a plain text is an English page, named by its number."""
    model = model or factories.local_embedding()
    source = factories.source(slug, embedding_model=model)
    KnowledgeIndex.objects.create(
        source=source,
        number=1,
        status="live",
        embedding_model=model,
        dimensions=model.dimensions or 0,
        chunker="paragraphs",
        settings_hash="test",
        live_at=timezone.now(),
    )
    add_pages(source, pages)
    return source


def add_pages(source: KnowledgeSource, pages: Iterable[Page | str]) -> None:
    known = source.documents.count()
    whole = [p if isinstance(p, Page) else Page(str(known + n), p) for n, p in enumerate(pages, 1)]
    for start in range(0, len(whole), AT_ONCE):
        _write(source.live_index, whole[start : start + AT_ONCE])


def _write(index: KnowledgeIndex | None, pages: Sequence[Page]) -> None:
    assert index is not None
    token = uuid.uuid4()
    documents = Document.objects.bulk_create([_document(index, page) for page in pages])
    entries = IndexedDocument.objects.bulk_create(
        [
            IndexedDocument(index=index, document=document, lease_token=token, fields=document.metadata)
            for document in documents
        ]
    )
    texts = [f"{cutting.header(page.title, '')}\n{page.text}" for page in pages]
    vectors = vectors_of(texts, index.embedding_model)
    replacements = [
        Replacement(
            entry, _described(entry.document), "hash", [_row(index, page, text, vector)], timezone.now(), page.language
        )
        for entry, page, text, vector in zip(entries, pages, texts, vectors, strict=True)
    ]
    chunk_writer.replace(index, replacements, token=token)


def _described(document: Document) -> dict[str, Any]:
    """The columns that a sync writes with the chunks: here they already stand in the document."""
    names = ("title", "text", "page_starts", "language", "content_hash")
    of_file = ("media_type", "file_hash", "file_bytes", "fetched_version")
    return {"file": "", **{name: getattr(document, name) for name in (*names, *of_file)}}


def vectors_of(texts: Sequence[str], model: AIModel) -> NDArray[np.float32]:
    """The built-in model's, or for every other model what the fake server answers."""
    if model.provider.kind == "local":
        return local_embeddings.embed(texts)[0]
    assert model.dimensions
    return np.array([vector_of(text, dimensions=model.dimensions) for text in texts], np.float32)


def _document(index: KnowledgeIndex, page: Page) -> Document:
    return Document(
        source_id=index.source_id,
        remote_id=page.remote_id,
        remote_key=remote_key(page.remote_id),
        title=page.title,
        text=page.text,
        language=page.language,
        metadata=page.metadata,
        groups=page.groups,
        content_hash="hash",
        **page.columns,
    )


def _row(index: KnowledgeIndex, page: Page, words: str, vector: NDArray[np.float32]) -> ChunkRow:
    return ChunkRow(
        position=0,
        heading="",
        page=None,
        text=page.text,
        start=0,
        end=len(page.text),
        vector_key=cutting.vector_key(index.embedding_model, header=page.title, text=page.text),
        configuration=search_configuration(page.language),
        words=character_pairs(words) if needs_character_pairs(page.language) else words,
        token_count=len(page.text) // 4 + 1,
        embedding=vector,
    )
