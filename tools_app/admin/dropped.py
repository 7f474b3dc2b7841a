"""Which passages each stage of a search dropped, by their documents: what its trace has kept, as far as one may see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from knowledge.models import Chunk, Document
from magnet.callers import current_caller
from magnet.errors import NotAllowed, NotFound
from tools_app import recorded
from tools_app.explanations import missing_in_words
from tools_app.recorded import StageRecord

MOST_SHOWN = 20
READ_TRACES = "traces:read"


def by_stage(tool: Any, trace_id: str) -> dict[str, Any]:
    """JSON: the first dropped passages of each stage, and how many there were. Raises NotFound and NotAllowed."""
    if not current_caller().may(READ_TRACES):
        raise NotAllowed(_("This needs the right to read traces."), scope=READ_TRACES)
    record = recorded.read(_id(trace_id))[0]
    if (record.trace.feature, record.trace.slug) != ("retrieval_tool", tool.slug):
        raise NotFound(_("There is no such search of this tool."))
    if record.missing:
        raise NotFound(missing_in_words(record.missing))
    stages = [stage for stage in record.stages if stage.dropped]
    chunks = _chunks(stages)
    return {
        "stages": {stage.name: list(_rows(stage, chunks)) for stage in stages},
        "counts": {stage.name: len(stage.dropped) for stage in stages},
    }


def _id(said: str) -> UUID:
    try:
        return UUID(said)
    except ValueError as error:
        raise NotFound(_("There is no such search of this tool.")) from error


def _first(stage: StageRecord) -> list[tuple[int, int, float]]:
    return sorted(stage.dropped, key=lambda row: row[1])[:MOST_SHOWN]


def _chunks(stages: Iterable[StageRecord]) -> dict[int, Chunk]:
    wanted = {chunk for stage in stages for chunk, _rank, _score in _first(stage)}
    visible = Document.objects.visible_to(current_caller().groups).values("pk")
    rows = Chunk.objects.filter(pk__in=wanted, document__in=visible).select_related("document")
    return {row.pk: row for row in rows.only("heading", "start", "end", "document__title", "document__remote_id")}


def _rows(stage: StageRecord, chunks: dict[int, Chunk]) -> Iterable[dict[str, Any]]:
    for pk, rank, score in _first(stage):
        chunk = chunks.get(pk)
        if chunk is None:
            continue  # Cut anew or deleted since, or not for this person.
        page = reverse("admin:knowledge_document_change", args=[chunk.document_id])
        yield {
            "rank": rank,
            "score": score,
            "title": str(chunk.document),
            "heading": chunk.heading,
            "url": f"{page}?start={chunk.start}&end={chunk.end}#passage",
        }
