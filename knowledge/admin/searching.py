"""Try a search: the passages that a question finds in one source, with their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponseBase

from knowledge import known_fields, retrieval
from knowledge.admin.filter_rows import COMPARISONS, field_names, filter_of, rows_of
from knowledge.admin.reading import rendered
from magnet import gateway
from magnet.callers import acting_as, current_caller
from magnet.errors import MagnetError
from magnet.tracing import trace

if TYPE_CHECKING:
    from knowledge.admin.sources import KnowledgeSourceAdmin

LIMITS = (5, 10, 20)
MODES = ("hybrid", "meaning", "words")
MAX_QUESTION = 2_000


def search_page(page: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    question = request.GET.get("q", "").strip()[:MAX_QUESTION]
    see_as = request.GET.get("see_as", "").strip()
    mode = request.GET.get("mode", "")
    limit = request.GET.get("limit", "")
    chosen: dict[str, Any] = {
        "mode": mode if mode in MODES else MODES[0],
        "limit": int(limit) if limit in map(str, LIMITS) else LIMITS[0],
    }
    known = {field.name: field for field in known_fields.describe_fields([source.slug])}
    rows = rows_of(request.GET)
    filter = filter_of(rows, known)
    return page.page(
        request, source, "knowledge/source_search.html", tab="search", source=source, question=question,
        limits=LIMITS, see_as=see_as, rows=rows, comparisons=COMPARISONS.items(), fields=field_names(known),
        is_filtered=filter is not None, **chosen,
        **(found_for(source, question, see_as=see_as, filter=filter, **chosen) if question else {}),
    )  # fmt: skip


def found_for(source: Any, question: str, *, see_as: str, filter: Any, mode: Any, limit: int) -> dict[str, Any]:
    """The passages that somebody of these groups would find, or the sentence that says why there are none."""
    caller = current_caller()
    try:
        with (
            acting_as(caller.acting_for("", see_as.split(",")) if see_as else caller),
            trace(feature="search", slug=source.slug, summary=question, channel="admin"),
        ):
            found = gateway.run_from_sync(
                retrieval.search(question, sources=[source.slug], limit=limit, mode=mode, filter=filter)
            )
    except MagnetError as error:
        return {"error": error.detail}
    passages = [(passage, rendered(passage.text)) for passage in found.passages]
    return {"found": passages, "in_scope": found.documents_in_scope}
