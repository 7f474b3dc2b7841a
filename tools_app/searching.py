"""Questions to retrieval tools: passages with scores, and how they were found. No language model writes an answer.

found = await searching.search(await searching.load("handbook"), "How do I add a source?")
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from magnet.tracing import span, stretch, trace
from tools_app import retrieving
from tools_app.answers import numbered, passage_as_json
from tools_app.prompting import NOTHING_GIVEN, Given
from tools_app.retrieval_loading import LoadedRetrievalTool, load
from tools_app.stages import Retrieved

__all__ = ["LoadedRetrievalTool", "SearchResult", "as_json", "load", "search"]


@dataclass(frozen=True)
class SearchResult:
    """`cost` is US dollars."""

    found: Retrieved
    tool: str
    version: int
    cost: Decimal
    trace_id: UUID
    duration_ms: float


async def search(tool: LoadedRetrievalTool, question: str, *, given: Given = NOTHING_GIVEN) -> SearchResult:
    """The passages for a cleaned question. Raises InvalidInput, NotFound and ProviderErrors."""
    asked = trace(feature="retrieval_tool", slug=tool.slug, summary=question, versions=tool.versions)
    with asked as record, stretch() as work:
        found = await retrieving.find(tool.retrieval, question, history=given.history, filter=given.filter)
        ids = [str(passage.document_id) for passage in found.passages]
        with span("choose passages", used=len(ids), documents=ids) as step:
            # Whoever deletes one of these documents blanks what is kept here.
            record.documents.extend({passage.document_id for passage in found.passages})
            step.keep(output={"passages": [passage_as_json(passage) for passage in numbered(found.passages)]})
        return SearchResult(
            found=found,
            tool=tool.slug,
            version=tool.version,
            cost=work.cost,
            trace_id=record.id,
            duration_ms=work.elapsed_ms(),
        )


def as_json(result: SearchResult) -> dict[str, Any]:
    """The result as the API shows it. Money is a decimal string."""
    found = result.found
    return {
        "passages": [_without_citation(passage_as_json(passage)) for passage in numbered(found.passages)],
        "question": found.question,
        "queries": list(found.queries),
        "language": found.language,
        "filter": found.filter,
        "documents_in_scope": found.documents_in_scope,
        "rerank_failed": found.rerank_failed,
        "stages": [stage.as_json() for stage in found.stages],
        "tool": result.tool,
        "version": result.version,
        "cost": format(result.cost.normalize(), "f"),
        "trace_id": str(result.trace_id),
        "duration_ms": round(result.duration_ms, 1),
    }


def _without_citation(passage: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in passage.items() if name != "is_cited"}
