"""An answer as a value: what was said, on which passages it rests, and what it took."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from knowledge.retrieval import Passage
from magnet.providers.base import Usage
from tools_app.citations import said_from
from tools_app.support import Sentence

# As the chunker writes the path of headings.
HEADINGS_JOINED_BY = " > "


@dataclass(frozen=True)
class CitedPassage(Passage):
    """A passage under the number by which the answer cites it."""

    number: int
    is_cited: bool = False
    # The reranker's own, on its own scale.
    rerank_score: float | None = None


@dataclass(frozen=True)
class Answer:
    """`found` is False where nothing fitted and no model was asked; `cost` is US dollars, the search included."""

    text: str
    passages: tuple[CitedPassage, ...]
    tool: str
    version: int
    model: str
    provider: str
    is_extractive: bool
    found: bool
    usage: Usage
    cost: Decimal
    trace_id: UUID
    duration_ms: float
    # Each sentence that states something, and whether what it cites bears it out.
    sentences: tuple[Sentence, ...] = ()
    # Counted under a filter only.
    documents_in_scope: int | None = None
    # The rerank model failed, and the order before was kept.
    rerank_failed: bool = False


def numbered(passages: Sequence[Passage]) -> tuple[CitedPassage, ...]:
    names = [field.name for field in fields(Passage)]
    return tuple(
        CitedPassage(
            **{name: getattr(passage, name) for name in names},
            number=number,
            rerank_score=getattr(passage, "rerank_score", None),
        )
        for number, passage in enumerate(passages, start=1)
    )


def marked(
    passages: Sequence[CitedPassage], *, cited: Collection[int], text: str, question: str
) -> tuple[CitedPassage, ...]:
    """The passages as the answer cites them: whether, and from which of their pages."""
    return tuple(
        replace(passage, is_cited=True, page=cited_page(passage, text=text, question=question))
        if passage.number in cited
        else passage
        for passage in passages
    )


def cited_page(passage: CitedPassage, *, text: str, question: str) -> int | None:
    if passage.pages is None:
        return None
    return passage.pages.best(passage.text, question=question, said=said_from(text, number=passage.number))


def place_of(*, title: str, heading: str, page: int | None, last_page: int | None = None) -> str:
    """Where a passage stands, in words: its title, the headings above it, its page or pages."""
    headings = heading.split(HEADINGS_JOINED_BY)
    names = headings if headings[0].strip() == title.strip() else [title, *headings]
    path = " › ".join(" ".join(name.split()) for name in names if name.strip())
    return ", ".join(filter(None, (path, pages_in_words(page, last_page))))


def pages_in_words(page: int | None, last_page: int | None) -> str:
    if not page:
        return ""
    return f"pages {page}–{last_page}" if last_page and last_page > page else f"page {page}"


# -- As JSON ---------------------------------------------------------------------------------------------------


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as the API and the command line show it. Money is a decimal string."""
    return {
        "text": answer.text,
        "found": answer.found,
        "passages": [passage_as_json(passage) for passage in answer.passages],
        "sentences": [sentence.as_json() for sentence in answer.sentences],
        "tool": answer.tool,
        "version": answer.version,
        "model": answer.model,
        "provider": answer.provider,
        "is_extractive": answer.is_extractive,
        "usage": asdict(answer.usage),
        "cost": format(answer.cost.normalize(), "f"),
        "trace_id": str(answer.trace_id),
        "duration_ms": round(answer.duration_ms, 1),
        "documents_in_scope": answer.documents_in_scope,
        "rerank_failed": answer.rerank_failed,
    }


def passage_as_json(passage: CitedPassage) -> dict[str, Any]:
    return {
        "number": passage.number,
        "is_cited": passage.is_cited,
        "document": {
            "id": str(passage.document_id),
            "source": passage.source,
            "remote_id": passage.remote_id,
            "title": passage.title,
            "url": passage.url,
        },
        "text": passage.text,
        "heading": passage.heading,
        "page": passage.page,
        "first_page": passage.pages.first if passage.pages else None,
        "last_page": passage.pages.last if passage.pages else None,
        "start": passage.start,
        "end": passage.end,
        "content_hash": passage.content_hash,
        "chunk_id": passage.chunk_id,
        "score": passage.score,
        "semantic_score": passage.semantic_score,
        "word_score": passage.word_score,
        "rerank_score": passage.rerank_score,
    }
