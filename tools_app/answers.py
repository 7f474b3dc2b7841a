"""An answer as a value: what was said, on which passages it rests, and what it took."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any
from uuid import UUID

from knowledge.retrieval import Passage
from magnet.providers.base import Usage

# As the chunker writes the path of headings.
HEADINGS_JOINED_BY = " > "


@dataclass(frozen=True)
class CitedPassage(Passage):
    """A passage under the number by which the answer cites it."""

    number: int
    is_cited: bool = False


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


def numbered(passages: Sequence[Passage]) -> tuple[CitedPassage, ...]:
    names = [field.name for field in fields(Passage)]
    return tuple(
        CitedPassage(**{name: getattr(passage, name) for name in names}, number=number)
        for number, passage in enumerate(passages, start=1)
    )


def marked(passages: Sequence[CitedPassage], *, cited: Collection[int]) -> tuple[CitedPassage, ...]:
    names = [field.name for field in fields(Passage)]
    return tuple(
        CitedPassage(
            **{name: getattr(passage, name) for name in names},
            number=passage.number,
            is_cited=passage.number in cited,
        )
        for passage in passages
    )


def place_of(*, title: str, heading: str, page: int | None) -> str:
    """Where a passage stands, in words: its title, the headings above it, its page."""
    headings = heading.split(HEADINGS_JOINED_BY)
    names = headings if headings[0].strip() == title.strip() else [title, *headings]
    path = " › ".join(" ".join(name.split()) for name in names if name.strip())
    return ", ".join(filter(None, (path, f"page {page}" if page else "")))


# -- As JSON ---------------------------------------------------------------------------------------------------


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as the API and the command line show it. Money is a decimal string."""
    return {
        "text": answer.text,
        "found": answer.found,
        "passages": [passage_as_json(passage) for passage in answer.passages],
        "tool": answer.tool,
        "version": answer.version,
        "model": answer.model,
        "provider": answer.provider,
        "is_extractive": answer.is_extractive,
        "usage": {
            "input_tokens": answer.usage.input_tokens,
            "output_tokens": answer.usage.output_tokens,
            "cached_tokens": answer.usage.cached_tokens,
            "reasoning_tokens": answer.usage.reasoning_tokens,
        },
        "cost": format(answer.cost.normalize(), "f"),
        "trace_id": str(answer.trace_id),
        "duration_ms": round(answer.duration_ms, 1),
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
        "start": passage.start,
        "end": passage.end,
        "content_hash": passage.content_hash,
        "chunk_id": passage.chunk_id,
        "score": passage.score,
        "semantic_score": passage.semantic_score,
        "word_score": passage.word_score,
    }
