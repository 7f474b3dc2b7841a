"""What is found out about an answer once it is given: language, category, answered, resolved. Never on its way.

It reads what the trace has kept, writes beside it, and whatever goes wrong is written there, too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from pydantic import BaseModel

from magnet import language, prompt_runs
from magnet.default_prompts import ANALYSE_ANSWER
from magnet.errors import MagnetError
from magnet.event_loop import run_from_sync
from magnet.models import AIModel, Analysis, Trace
from magnet.tracing import trace as traced
from tools_app import support_by_model
from tools_app.models import RagToolVersion
from tools_app.support import Sentence

log = structlog.get_logger(__name__)

FEATURE, BATCH = "rag_tool", 20
# None is begun later than this: a task that takes two minutes is ended from outside.
WORK_SECONDS = 60.0
# Younger ones may still be on their way into the database; older ones interest nobody any more.
SETTLED, TOO_OLD = timedelta(seconds=3), timedelta(days=1)
# A worker that died leaves its analysis to the next.
GIVEN_UP_AFTER, MOST_ATTEMPTS = timedelta(minutes=10), 3
BROKE_OFF = "The analysis broke off by a fault of ours; the log says which."
TRIED_IN_VAIN = f"It was begun {MOST_ATTEMPTS} times, and each time the worker ended before it was done."
NOT_RECORDED = "The texts of this answer were not recorded, so nobody can read it."


@dataclass(frozen=True)
class _Passage:
    number: int
    text: str
    title: str
    heading: str


@dataclass
class _Recorded:
    """An answer as its trace has kept it."""

    question: str = ""
    answer: str = ""
    is_found: bool | None = None
    passages: list[_Passage] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)


class _Found(BaseModel):
    """What the model says of an answer."""

    category: str
    language: str
    answered: bool
    resolution: Analysis.Resolution


def analyse_waiting() -> int:
    """Analyse some of the answers that wait for it; returns how many there were."""
    ends_at = time.monotonic() + WORK_SECONDS
    count = 0
    while count < BATCH and time.monotonic() < ends_at and (analysis := _next()) is not None:
        count += 1
        try:
            analyse(analysis)
        except Exception:
            # The answers behind it must not wait for ever because of one.
            log.exception("analysis_broke_off", trace=str(analysis.trace_id))
            Analysis.objects.filter(pk=analysis.pk).update(state=Analysis.State.FAILED, failure=BROKE_OFF)
    return count


def analyse(analysis: Analysis) -> None:
    """Fill in what can be known, and say why not more."""
    trace = analysis.trace
    version = _version_of(trace)
    recorded = recorded_answer(trace)
    analysis.is_answered, analysis.language = recorded.is_found, language.detect(recorded.question)
    if not recorded.answer:
        analysis.failure = NOT_RECORDED
    elif version is not None:
        _ask_models(analysis, version, recorded)
    analysis.state = Analysis.State.FAILED if analysis.failure and recorded.answer else Analysis.State.DONE
    analysis.save()


def _ask_models(analysis: Analysis, version: RagToolVersion, recorded: _Recorded) -> None:
    try:
        model = version.ai_model or AIModel.objects.default_for("chat")
    except MagnetError as error:
        analysis.failure = error.detail
        return
    if not model.can_write:
        return
    with traced(feature="analysis", slug=analysis.trace.slug, summary=recorded.question) as record:
        # Its payloads quote the same documents, and go with them.
        record.documents.extend(analysis.trace.documents)
        try:
            if version.analyses_answers:
                found, reply = run_from_sync(_asked(recorded, version.categories, model=model))
                _note(analysis, found, written_by=reply.model)
            if version.support_check == RagToolVersion.SupportCheck.MODEL_LATER and recorded.sentences:
                judging = support_by_model.judged(recorded.answer, recorded.sentences, recorded.passages, model=model)
                analysis.sentences = [sentence.as_json() for sentence in run_from_sync(judging)]
                analysis.ai_model = analysis.ai_model or model.slug
        except MagnetError as error:
            log.warning("analysis_failed", trace=str(analysis.trace_id), error=error.detail)
            analysis.failure = error.detail


async def _asked(
    recorded: _Recorded, categories: list[str], *, model: AIModel
) -> tuple[_Found, prompt_runs.PromptReply]:
    values = {
        "question": recorded.question,
        "answer": recorded.answer,
        "categories": "\n".join(f"- {name}" for name in categories) or "- (find a short one yourself)",
    }
    return await support_by_model.ask(ANALYSE_ANSWER.slug, values, shape=_Found, model=model)


def _note(analysis: Analysis, found: _Found, *, written_by: str) -> None:
    analysis.category, analysis.resolution = found.category[:100], found.resolution
    analysis.is_answered = found.answered
    analysis.language = found.language[:20].lower() or analysis.language
    analysis.ai_model = written_by


# -- What waits ------------------------------------------------------------------------------------------------------


def _next() -> Analysis | None:
    """An answer that nobody analyses yet, now ours."""
    for trace in _unanalysed()[:BATCH]:
        analysis, is_ours = Analysis.objects.get_or_create(trace=trace)
        # Another worker may have been quicker.
        if is_ours:
            return analysis
    return _left_behind()


@transaction.atomic
def _left_behind() -> Analysis | None:
    State, before = Analysis.State, timezone.now() - GIVEN_UP_AFTER
    stale = Analysis.objects.filter(state=State.RUNNING, updated_at__lt=before)
    stale.filter(attempts__gte=MOST_ATTEMPTS).update(state=State.FAILED, failure=TRIED_IN_VAIN)
    ours = stale.select_for_update(skip_locked=True, of=("self",)).select_related("trace")
    lost: Analysis | None = ours.filter(attempts__lt=MOST_ATTEMPTS).order_by("updated_at").first()
    if lost is not None:
        lost.attempts += 1
        lost.save(update_fields=["attempts", "updated_at"])
    return lost


def _unanalysed() -> QuerySet[Any]:
    wants = Q(analyses_answers=True) | Q(support_check=RagToolVersion.SupportCheck.MODEL_LATER)
    versions = dict(RagToolVersion.objects.filter(wants).values_list("pk", "identity__slug"))
    now = timezone.now()
    traces = Trace.objects.filter(feature=FEATURE, slug__in=set(versions.values()), status=Trace.Status.OK)
    traces = traces.filter(started_at__gt=now - TOO_OLD, started_at__lt=now - SETTLED, analysis=None)
    return traces.filter(versions__rag_tool__id__in=list(versions)).order_by("started_at")


# -- What the trace has kept -----------------------------------------------------------------------------------------


def _version_of(trace: Trace) -> RagToolVersion | None:
    pk = trace.versions.get("rag_tool", {}).get("id")
    return RagToolVersion.objects.select_related("ai_model__provider").filter(pk=pk).first()


def recorded_answer(trace: Trace) -> _Recorded:
    recorded = _Recorded()
    for span in trace.spans.select_related("payload").order_by("started_at"):
        payload = getattr(span, "payload", None)
        given, got = (payload.input or {}, payload.output or {}) if payload else ({}, {})
        if span.name in ("check citations", "nothing found"):
            recorded.is_found = span.name == "check citations"
            recorded.question, recorded.answer = str(given.get("question", "")), str(got.get("text", ""))
        elif span.name == "choose passages":
            recorded.passages = [_passage(row) for row in got.get("passages", [])]
        elif span.name == "support":
            recorded.sentences = [_sentence(row) for row in got.get("sentences", [])]
    return recorded


def _passage(row: Mapping[str, Any]) -> _Passage:
    return _Passage(row["number"], row["text"], row["document"]["title"], row["heading"])


def _sentence(row: Mapping[str, Any]) -> Sentence:
    return Sentence(**{**row, "citations": tuple(row["citations"])})
