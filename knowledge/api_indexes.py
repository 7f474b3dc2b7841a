"""Generations over the API: re-index beside the live one, compare, switch, undo."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from knowledge import comparison, forecast, hnsw, reindex
from knowledge.api import columns_of
from knowledge.api import find as find_source
from knowledge.comparison import Asked, Compared, Comparison, FoundDocument
from knowledge.models import KnowledgeIndex, KnowledgeSource
from knowledge.schemas import SourceChanges
from knowledge.schemas_indexes import (
    Compare,
    ComparedDocument,
    ComparedOut,
    ComparisonOut,
    ForecastOut,
    IndexOut,
    IndexProgress,
    Reindex,
)
from magnet import configuration
from magnet.api.listing import Listing, Page, page
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.errors import Conflict, NotAllowed, NotFound
from magnet.web.auth import Needs

source_router = Router(tags=["Indexes"])
router = Router(tags=["Indexes"])
READ, WRITE, RUN = (Needs(f"knowledge-sources:{verb}") for verb in ("read", "write", "run"))
# A number that PostgreSQL's bigint cannot hold names nothing.
LARGEST_ID = 2**63 - 1
TOLD_OTHERWISE = ("source", "generation", "status", "embedding_model", "context_model", "progress", "forecast")
COMPUTED = (*TOLD_OTHERWISE, "undo_until", "awaits_vector_index")
COLUMNS = tuple(name for name in IndexOut.model_fields if name not in COMPUTED)


@source_router.post("/{slug}/reindex", response={200: ForecastOut, 202: IndexOut}, auth=WRITE)
async def reindex_knowledge_source(
    request: HttpRequest, response: HttpResponse, slug: str, body: Reindex | None = None, dry_run: bool = False
) -> Any:
    """Build an index with other settings beside the live one; `?dry_run=true` only tells what it will take.

    The body may name settings to set first. Poll the Location until its status is `ready`, then compare and switch.
    """
    body = body or Reindex()
    if dry_run:
        return Status(200, await in_database(_forecast, slug, body))
    index = await in_database(_start, slug, body)
    response["Location"] = f"/api/indexes/{index.id}"
    return Status(202, index)


@source_router.get("/{slug}/indexes", response=Page[IndexOut], auth=READ)
async def list_indexes(request: HttpRequest, slug: str, listing: Query[Listing]) -> Any:
    """List the generations of a knowledge source, newest first."""
    return await in_database(_list, slug, listing)


@router.get("/{index_id}", response=IndexOut, auth=READ)
async def get_index(request: HttpRequest, index_id: int) -> Any:
    """Show a generation: status, progress, and what was expected of it."""
    return await in_database(lambda: show(find(index_id)))


@router.post("/{index_id}/compare", response=ComparisonOut, auth=RUN)
async def compare_index(request: HttpRequest, index_id: int, body: Compare | None = None) -> Any:
    """Ask a generation and the live one the same questions: the last real ones, and yours.

    `same` means the same five documents. With a right document: better or worse by its rank; without: changed.
    Real questions need the scope traces:read.
    """
    index, questions = await in_database(_questions, index_id, body or Compare())
    return _show_comparison(await comparison.compare(index, questions))


@router.post("/{index_id}/switch", response=IndexOut, auth=WRITE)
async def switch_index(request: HttpRequest, index_id: int) -> Any:
    """Let a built generation serve. Its status is `switching` for a moment while the last changes are carried over."""
    return await _do(reindex.switch, index_id)


@router.post("/{index_id}/undo", response=IndexOut, auth=WRITE)
async def undo_index(request: HttpRequest, index_id: int) -> Any:
    """Take back the switch to the live generation; shows the one before it, which catches up and serves again."""
    return await _do(reindex.undo, index_id)


@router.post("/{index_id}/pause", response=IndexOut, auth=WRITE)
async def pause_index(request: HttpRequest, index_id: int) -> Any:
    """Stop building for a while."""
    return await _do(reindex.pause, index_id)


@router.post("/{index_id}/resume", response=IndexOut, auth=WRITE)
async def resume_index(request: HttpRequest, index_id: int) -> Any:
    """Go on building after a pause or a failure."""
    return await _do(reindex.resume, index_id)


@router.post("/{index_id}/cancel", response=IndexOut, auth=WRITE)
async def cancel_index(request: HttpRequest, index_id: int) -> Any:
    """Give the building up; what was built is removed."""
    return await _do(reindex.cancel, index_id)


async def _do(verb: Callable[[KnowledgeIndex], KnowledgeIndex], index_id: int) -> IndexOut:
    return await in_database(lambda: show(find(verb(find(index_id)).pk)))


def rows() -> Any:
    return KnowledgeIndex.objects.for_use().select_related("source")


def find(index_id: int) -> KnowledgeIndex:
    index: KnowledgeIndex | None = rows().filter(pk=index_id).first() if 0 < index_id <= LARGEST_ID else None
    if index is None:
        raise NotFound(f"There is no index {index_id}.")
    return index


def show(index: KnowledgeIndex) -> IndexOut:
    is_kept = index.status == KnowledgeIndex.Status.RETIRED and reindex.undoable(index.source) == index
    is_awaited = index.status == KnowledgeIndex.Status.BUILDING and hnsw.is_awaited(index)
    measured = ("done", "to_do", "percent", "documents_per_second", "seconds_left")
    return IndexOut(
        **{name: getattr(index, name) for name in COLUMNS},
        source=index.source.slug,
        generation=index.number,
        status=index.stage,
        embedding_model=index.embedding_model.slug,
        context_model=index.context_model.slug if index.context_model else None,
        undo_until=reindex.undo_until(index) if is_kept else None,
        awaits_vector_index=is_awaited,
        progress=IndexProgress(**{name: getattr(index, name) for name in measured}),
        forecast=ForecastOut(**index.forecast) if index.forecast else None,
    )


def _list(slug: str, listing: Listing) -> dict[str, Any]:
    generations = rows().filter(source=find_source(slug))
    order_by = ("number", "created_at", "live_at")
    return page(generations, listing, show=show, search_in=("embedding_model__name",), order_by=order_by)


# -- Starting ------------------------------------------------------------------------------------------------------


@transaction.atomic
def _start(slug: str, body: Reindex) -> IndexOut:
    source = find_source(slug)
    changes = _wanted(source, body)
    if changes:
        configuration.change(source, changes)
    return show(find(reindex.start(source).pk))


def _forecast(slug: str, body: Reindex) -> ForecastOut:
    source = find_source(slug)
    for column, value in _wanted(source, body).items():
        setattr(source, column, value)
    live = source.live_index
    if live is None:
        raise Conflict(f"Nothing of “{source.name}” is indexed yet, so there is nothing to index again.")
    return ForecastOut(**forecast.of_reindex(source, live).as_json())


def _wanted(source: KnowledgeSource, body: Reindex) -> dict[str, Any]:
    return columns_of(source, SourceChanges(**body.sent()))


# -- Comparing -----------------------------------------------------------------------------------------------------


def _questions(index_id: int, body: Compare) -> tuple[KnowledgeIndex, list[Asked]]:
    index = find(index_id)
    wants_real = bool(body.real_questions) and "real_questions" in body.model_fields_set
    if wants_real and not current_caller().may(comparison.SEES_QUESTIONS):
        raise NotAllowed(
            f"Real questions need the scope {comparison.SEES_QUESTIONS}. Leave real_questions out, or use another key.",
            scope=comparison.SEES_QUESTIONS,
        )
    given = [Asked(each.question, right=each.right_document) for each in body.questions]
    return index, given + comparison.real_questions(index.source, limit=body.real_questions)


def _show_comparison(compared: Comparison) -> ComparisonOut:
    counts = {str(verdict): count for verdict, count in compared.counts().items()}
    questions = [_show_compared(each) for each in compared.questions]
    return ComparisonOut(live=compared.live.pk, other=compared.other.pk, counts=counts, questions=questions)


def _show_compared(each: Compared) -> ComparedOut:
    return ComparedOut(
        question=each.asked.question,
        right_document=each.asked.right,
        mode=each.asked.mode,
        verdict=each.verdict,
        rank_before=each.rank_before,
        rank_after=each.rank_after,
        before=_shown(each.before),
        after=_shown(each.after),
    )


def _shown(documents: Iterable[FoundDocument]) -> list[ComparedDocument]:
    return [ComparedDocument(id=each.document_id, remote_id=each.remote_id, title=each.title) for each in documents]
