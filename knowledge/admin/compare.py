"""Comparing two generations of a source in the admin: a table of questions, and each side by side."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from knowledge import comparison, reindex
from knowledge.admin.reading import rendered
from knowledge.comparison import VERDICTS, Asked, Compared, Comparison
from knowledge.models import KnowledgeIndex, KnowledgeSource
from knowledge.retrieval import MODES
from magnet import gateway
from magnet.errors import Conflict, MagnetError

if TYPE_CHECKING:
    from knowledge.admin.sources import KnowledgeSourceAdmin

MOST_TYPED = 20
EMPTY_ROWS = 2
MAX_QUESTION = 2_000
PASSAGES_SIDE_BY_SIDE = 10
LABELS = {
    "same": gettext_lazy("same"),
    "changed": gettext_lazy("changed"),
    "better": gettext_lazy("better"),
    "worse": gettext_lazy("worse"),
}
NOT_FOUND = gettext_lazy("not found")


def compare_page(admin: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    other = other_of(source)
    live = comparison.live_beside(other)
    typed = typed_in(request)
    real = comparison.real_questions(source)
    uses_real = request.method == "GET" or "real" in request.POST
    found = compared(other, [*typed, *(real if uses_real else [])]) if request.method == "POST" else {}
    rows = [*((asked.question, asked.right) for asked in typed), *[("", "")] * EMPTY_ROWS]
    return admin.page(
        request, source, "knowledge/source_compare.html", tab="index", source=source, live=live, other=other,
        rows=rows, most=MOST_TYPED, real=len(real), uses_real=uses_real, **found,
    )  # fmt: skip


def other_of(source: KnowledgeSource) -> KnowledgeIndex:
    """What is compared with the generation that serves: the one that is built, else the one it has replaced."""
    other = source.building_index or reindex.undoable(source)
    if other is None:
        raise Conflict(_("There is no second generation to compare with. Start a re-index first."))
    return other


def typed_in(request: HttpRequest) -> list[Asked]:
    given = zip_longest(request.POST.getlist("question"), request.POST.getlist("right"), fillvalue="")
    asked = [(question.strip()[:MAX_QUESTION], right.strip()) for question, right in given]
    return [Asked(question, right=right) for question, right in asked if question][:MOST_TYPED]


def compared(other: KnowledgeIndex, questions: list[Asked]) -> dict[str, Any]:
    """The table, or the sentence that says why there is none."""
    try:
        found = gateway.run_from_sync(comparison.compare(other, questions))
    except MagnetError as error:
        return {"error": error.detail}
    return {"counts": counts_of(found), "table": [row_of(each) for each in in_order(found)]}


def counts_of(found: Comparison) -> list[tuple[str, str, int]]:
    counts = found.counts()
    return [(verdict, str(LABELS[verdict]), counts[verdict]) for verdict in reversed(VERDICTS)]


def in_order(found: Comparison) -> list[Compared]:
    """What needs a look first."""
    return sorted(found.questions, key=lambda each: VERDICTS.index(each.verdict))


def row_of(each: Compared) -> dict[str, Any]:
    before = {found.document_id for found in each.before}
    after = {found.document_id for found in each.after}
    return {
        "question": each.asked.question,
        "mode": each.asked.mode,
        "right": each.asked.right,
        "verdict": each.verdict,
        "label": str(LABELS[each.verdict]),
        "rank_before": rank(each.rank_before),
        "rank_after": rank(each.rank_after),
        "before": [(found, found.document_id not in after) for found in each.before],
        "after": [(found, found.document_id not in before) for found in each.after],
    }


def rank(place: int | None) -> str:
    return str(NOT_FOUND) if place is None else str(place)


# -- One question ------------------------------------------------------------------------------------------------


def side_by_side_page(admin: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    other = other_of(source)
    live = comparison.live_beside(other)
    question = request.GET.get("q", "").strip()[:MAX_QUESTION]
    mode = next((known for known in MODES if known == request.GET.get("mode")), MODES[0])
    asked = Asked(question, mode=mode)
    sides = [(each, found_in(each, asked)) for each in (live, other)]
    return admin.page(
        request,
        source,
        "knowledge/source_side_by_side.html",
        tab="index",
        source=source,
        question=question,
        sides=sides,
    )


def found_in(index: KnowledgeIndex, asked: Asked) -> list[tuple[Any, Any]]:
    passages = gateway.run_from_sync(comparison.passages_of(index, asked, limit=PASSAGES_SIDE_BY_SIDE))
    return [(passage, rendered(passage.text)) for passage in passages]
