"""The first page of a source: how it is, how fresh, what its runs did, what failed, what it has cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from knowledge import health, ledger, proof, uploads, vector_lag
from knowledge.admin.progress import progress_of, receipt_sentences
from knowledge.admin.schedules import schedule_in_words
from knowledge.models import Document, IndexedDocument, KnowledgeSource, SyncRun
from magnet.callers import current_caller

if TYPE_CHECKING:
    from knowledge.admin.sources import KnowledgeSourceAdmin

State = IndexedDocument.State

LAST_RUNS = 10
MOST_FAILURES = 8
MAX_NAME = 1_000
PROBLEMS = (State.FAILED, State.STALE)
# In the order of the bar, with what each part is called.
PARTS = (
    ("live", gettext_lazy("live")),
    ("stale", gettext_lazy("old version")),
    ("failed", gettext_lazy("failed")),
    ("excluded", gettext_lazy("excluded")),
    ("pending", gettext_lazy("waiting")),
)


def overview_page(page: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    runs = list(source.runs.all()[: LAST_RUNS + 1])
    current = next((run for run in runs if not run.is_finished), None)
    last = next((run for run in runs if run.is_finished), None)
    index = source.live_index
    states = ledger.count_states(index) if index else {}
    return page.page(
        request, source, "knowledge/source_overview.html", tab="overview", source=source, index=index,
        health=health.of(source, states=states, current=current, last=last),
        complete_since=health.complete_since(source), spent=health.spent(source),
        states=shown_states(source, states), history=[Past.of(run) for run in runs[:LAST_RUNS]], run=current,
        progress=progress_of(current) if current else None,
        last=last, receipt=receipt_sentences(last) if last else [], schedule=schedule_in_words(source),
        lag=vector_lag.lag(list(source.indexes.values_list("pk", flat=True))),
        kind=source.connector_class.label, can_prove=bool(states) or source.deleted_documents.exists(),
        **problems_of(index, states),
    )  # fmt: skip


# -- Its runs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """A part of a run's bar, in percent of its width."""

    state: str
    label: str
    count: int
    left: float
    width: float


@dataclass(frozen=True)
class Past:
    """A run as a line of the history; without a receipt, while it is unfinished, it has no bar."""

    run: SyncRun
    receipt: Mapping[str, Any]
    bar: tuple[Piece, ...]

    @classmethod
    def of(cls, run: SyncRun) -> Past:
        receipt = run.receipt or {}
        return cls(run, receipt, tuple(pieces(receipt)))


def pieces(receipt: Mapping[str, Any]) -> Sequence[Piece]:
    seen = receipt.get("seen") or 0
    found, left = [], 0.0
    for state, label in PARTS:
        count = receipt.get(state) or 0
        if seen and count:
            # Three of ten thousand are seen as well.
            width = max(100 * count / seen, 1.5)
            found.append(Piece(state, str(label), count, round(min(left, 98.5), 2), round(width, 2)))
            left += 100 * count / seen
    return found


# -- Its documents -------------------------------------------------------------------------------------------------


def shown_states(source: KnowledgeSource, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The documents of a source by state; states without documents are left out, but for live."""
    url = reverse("admin:knowledge_document_changelist")
    return [
        {
            "state": state.value, "label": state.label, "count": counts.get(state.value, 0),
            "url": f"{url}?source__id__exact={source.pk}&state={state.value}",
        }
        for state in State
        if counts.get(state.value) or state == State.LIVE
    ]  # fmt: skip


def problems_of(index: Any, counts: Mapping[str, int]) -> dict[str, Any]:
    """The first documents that failed or answer with an old version, and how many there are in all."""
    total = sum(counts.get(state.value, 0) for state in PROBLEMS)
    if not total:
        return {"problem_count": 0, "problems": []}
    visible = Document.objects.visible_to(current_caller().groups).values("pk")
    rows = index.ledger.filter(state__in=PROBLEMS, document__in=visible).select_related("document")
    rows = rows.defer("document__text", "document__incoming_text", "document__page_starts").order_by("state", "pk")
    return {"problem_count": total, "problems": list(rows[:MOST_FAILURES])}


def retry_failed(page: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    """Every document that failed or answers with an old version is tried again."""
    index = source.live_index
    failed = source.documents.filter(ledger__index=index, ledger__state__in=PROBLEMS)
    documents = list(failed.without_body().select_related("source")) if index else []
    uploads.retry(documents)
    text = ngettext("%(n)s document is tried again.", "%(n)s documents are tried again.", len(documents))
    messages.success(request, text % {"n": f"{len(documents):,}"})
    return HttpResponseRedirect(page.url_of(source, "overview"))


# -- Proof of deletion ---------------------------------------------------------------------------------------------


def proof_page(page: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    """By GET a field to type a name in; by POST, because it leaves an entry in the audit, the proof."""
    wanted = request.POST.get("wanted", "").strip()[:MAX_NAME]
    found = proof.prove(source, wanted) if wanted else None
    if request.method == "POST" and not wanted:
        messages.error(request, _("Type the title of a document, or its id in the source."))
    return page.page(
        request, source, "knowledge/proof.html", tab="overview", source=source, proof=found,
        wanted=wanted or request.GET.get("wanted", "")[:MAX_NAME],
    )  # fmt: skip
